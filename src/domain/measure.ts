import type { Account, UserId } from './token.ts';

/** One of Withings' groups: a device's measures at one moment. One weigh-in is one to four of these. */
export interface MeasureGroup {
  readonly groupId: number;
  /** How sure Withings is of the group's person: see `ATTRIBUTIONS`. */
  readonly attribution: number;
  readonly takenAt: Date;
  readonly modifiedAt: Date;
  readonly deviceId: string | undefined;
  /** The device's name in Withings' spelling. */
  readonly model: string | undefined;
  /** IANA name of the measurement's time zone. */
  readonly timeZone: string | undefined;
  readonly measures: readonly Measure[];
  /** Some of its measures are unreadable, and left out. */
  readonly isPartial?: boolean;
}

export interface Measure {
  readonly type: number;
  /** The value in the unit of `MEASURE_TYPES`, exact to the digit. */
  readonly value: number;
  /** The part of the body, if the device distinguishes them. */
  readonly position: number | undefined;
}

/** The time from one moment to another, both included. */
export interface TimeWindow {
  readonly start: Date;
  readonly end: Date;
}

/** A query for the groups measured within a window, or for those created or changed after a moment. */
export type MeasureQuery = { readonly window: TimeWindow } | { readonly since: Date };

/** Withings' answer to a query, or the part of it that memory holds at once. */
export interface MeasureAnswer {
  /** Withings' clock at the first page of this part, if it sent one. */
  readonly updatedAt: Date | undefined;
  /** Oldest first; each group once. */
  readonly groups: readonly MeasureGroup[];
  /** The unreadable parts, one for each group. The rest of such a group is among the groups. */
  readonly unreadable: readonly Unreadable[];
  /** Whether Withings has nothing after this. It does not exclude other gaps. */
  readonly complete: boolean;
  /** Withings sent the groups in the order of their changes, the oldest change first. */
  readonly ascends?: boolean;
  /**
   * The answer came in several pages. A group that changes or disappears meanwhile moves the later ones up. One of them
   * can be lost between two pages.
   */
  readonly isPaged?: boolean;
  /** The start of the next part. Undefined in the last one. */
  readonly next?: number | undefined;
}

/** A group that could not be read, or only in part. */
export interface Unreadable {
  /** The group as Withings sent it, as JSON. */
  readonly raw: string;
  /** The first unreadable field, and its problem. */
  readonly what: string;
}

/** The unreadable groups, each once, as Withings sent it. */
export interface UnreadableStore {
  /** Returns the new ones. */
  keep(userId: UserId, found: readonly Unreadable[]): Promise<readonly Unreadable[]>;
  /** The number of a person's groups. */
  countOf(userId: UserId): number;
}

export interface MeasureRequest extends Account {
  readonly query: MeasureQuery;
  readonly offset?: number | undefined;
}

/** Withings' measure service. */
export interface MeasureSource {
  /**
   * The pages of a query, up to some thousand groups. Fails as a whole: a missing page never counts as an empty one.
   *
   * @param request.offset the start of the part: the `next` of the previous part, for the same query
   */
  getMeas(request: MeasureRequest): Promise<MeasureAnswer>;
}

/** Withings' measure service, for heights. */
export interface HeightSource {
  /** The groups with a height, measured or entered at any time. It is only the first part if there are thousands. */
  getHeights(account: Account): Promise<Pick<MeasureAnswer, 'groups' | 'unreadable' | 'complete'>>;
}

/** The type of a height. */
export const HEIGHT = 4;

interface MeasureType {
  readonly key: string;
  readonly unit: string;
}

/** The measure types that Withings documents or sends, by number. New ones appear without notice: see `measureKey`. */
export const MEASURE_TYPES: Readonly<Record<number, MeasureType>> = {
  1: { key: 'weight', unit: 'kg' },
  4: { key: 'height', unit: 'm' },
  5: { key: 'fat_free_mass', unit: 'kg' },
  6: { key: 'fat_ratio', unit: '%' },
  8: { key: 'fat_mass', unit: 'kg' },
  9: { key: 'diastolic_bp', unit: 'mmHg' },
  10: { key: 'systolic_bp', unit: 'mmHg' },
  11: { key: 'heart_rate', unit: 'bpm' },
  12: { key: 'temperature', unit: '°C' },
  54: { key: 'spo2', unit: '%' },
  71: { key: 'body_temperature', unit: '°C' },
  73: { key: 'skin_temperature', unit: '°C' },
  76: { key: 'muscle_mass', unit: 'kg' },
  77: { key: 'hydration', unit: 'kg' },
  88: { key: 'bone_mass', unit: 'kg' },
  91: { key: 'pulse_wave_velocity', unit: 'm/s' },
  123: { key: 'vo2_max', unit: 'ml/min/kg' },
  130: { key: 'afib_ecg', unit: '' },
  135: { key: 'qrs_interval', unit: 's' },
  136: { key: 'pr_interval', unit: 's' },
  137: { key: 'qt_interval', unit: 's' },
  138: { key: 'qtc_interval', unit: 's' },
  139: { key: 'afib_ppg', unit: '' },
  147: { key: 'urine_ph', unit: '' },
  148: { key: 'urine_specific_gravity', unit: '' },
  151: { key: 'urine_nitrites', unit: 'µmol/L' },
  155: { key: 'vascular_age', unit: 'years' },
  158: { key: 'nerve_score_left_foot', unit: '' },
  159: { key: 'nerve_score_right_foot', unit: '' },
  167: { key: 'nerve_health_score', unit: '' },
  168: { key: 'extracellular_water', unit: 'kg' },
  169: { key: 'intracellular_water', unit: 'kg' },
  170: { key: 'visceral_fat', unit: '' },
  173: { key: 'segment_fat_free_mass', unit: 'kg' },
  174: { key: 'segment_fat_mass', unit: 'kg' },
  175: { key: 'segment_muscle_mass', unit: 'kg' },
  196: { key: 'nerve_response_score', unit: '' },
  197: { key: 'electrodermal_left_foot', unit: '' },
  198: { key: 'electrodermal_right_foot', unit: '' },
  204: { key: 'urine_ketones', unit: 'mmol/L' },
  205: { key: 'urine_vitamin_c', unit: 'mmol/L' },
  226: { key: 'basal_metabolic_rate', unit: 'kcal' },
  227: { key: 'metabolic_age', unit: 'years' },
  229: { key: 'skin_conductance', unit: 'µS' },
  248: { key: 'urine_calcium', unit: 'mmol/L' },
  249: { key: 'urine_creatinine', unit: 'mmol/L' },
  251: { key: 'urine_calcium_creatinine_ratio', unit: 'mmol/mmol' },
};

/** 6 (between the legs) and 7 (undocumented, on every Body Scan composition value) mean the whole body, like no position. */
const WHOLE_BODY: ReadonlySet<number | undefined> = new Set([undefined, 6, 7]);

/** The name of a measure in the journal: `weight`, `segment_muscle_mass_12`, or `type_999` for a number without a name. */
export function measureKey(measure: Pick<Measure, 'type' | 'position'>): string {
  const key = MEASURE_TYPES[measure.type]?.key ?? `type_${measure.type}`;
  return WHOLE_BODY.has(measure.position) ? key : `${key}_${measure.position}`;
}

/** Withings' numbers of the parts of the body (reference of `getmeas`, `position`); Withings has more than these. */
const BODY_PARTS: Readonly<Record<string, string>> = {
  0: 'right wrist',
  1: 'left wrist',
  2: 'right arm',
  3: 'left arm',
  4: 'right foot',
  5: 'left foot',
  8: 'left side',
  9: 'right side',
  10: 'left leg',
  11: 'right leg',
  12: 'torso',
  13: 'left hand',
  14: 'right hand',
};

/** The parts of a key of `measureKey`. */
export interface MeasureName {
  /** The name of the quantity: `segment_muscle_mass`, or `type_999` without a name. */
  readonly name: string;
  /** The unit, or `''` without a known one. */
  readonly unit: string;
  /** `left leg`, or `position 20`; undefined for the whole body. */
  readonly part: string | undefined;
}

export function readMeasureKey(key: string): MeasureName {
  const [, base = key, position] = /^(.*[a-z].*?)_([0-9]+)$/.exec(key) ?? [];
  const name = base === 'type' ? key : base;
  const unit = Object.values(MEASURE_TYPES).find((type) => type.key === name)?.unit ?? '';
  if (name === key || position === undefined) return { name, unit, part: undefined };
  return { name, unit, part: BODY_PARTS[position] ?? `position ${position}` };
}

/** The usual names of quantities, if the key differs. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['fat_ratio', 'Body fat'],
  ['fat_free_mass', 'Fat-free mass'],
  ['hydration', 'Body water'],
  ['systolic_bp', 'Systolic blood pressure'],
  ['diastolic_bp', 'Diastolic blood pressure'],
  ['spo2', 'Blood oxygen'],
  ['vo2_max', 'VO₂ max'],
  ['bmi', 'BMI'],
  ['afib_ecg', 'Atrial fibrillation (ECG)'],
  ['afib_ppg', 'Atrial fibrillation (PPG)'],
  ['weight_per_week', 'Weight change per week'],
]);

/** `Body fat`, `Segment muscle mass, left arm`: the name of a quantity on the page and in Home Assistant. */
export function nameQuantity(key: string): string {
  const { name, part } = readMeasureKey(key);
  const words = name.replaceAll('_', ' ');
  const title = NAMES.get(name) ?? words.charAt(0).toUpperCase() + words.slice(1);
  return part === undefined ? title : `${title}, ${part}`;
}

/** How sure Withings is of a group's person. Groups with `isUnsure` are journalled but not announced. */
export const ATTRIBUTIONS: Readonly<Record<number, { readonly meaning: string; readonly isUnsure?: true }>> = {
  0: { meaning: 'measured by the device' },
  1: { meaning: "ambiguous: may be another household member's", isUnsure: true },
  2: { meaning: 'entered by hand' },
  3: { meaning: 'picked by the user' },
  4: { meaning: 'entered when the account was made, may be inaccurate', isUnsure: true },
  5: { meaning: 'best of several blood pressures' },
  7: { meaning: 'confirmed by the user' },
  8: { meaning: 'measured by the device' },
  10: { meaning: 'one foot of a pulse wave measurement' },
  15: { meaning: 'measured under guidance' },
  17: { meaning: 'measured under guidance' },
};

export const AMBIGUOUS = 1;
export const MANUAL = 2;

/**
 * `value` × 10^`exponent`, exact: 81250 and −3 give 81.25. Multiplying with a power of ten does not
 * (7235 × 10 ** -2 is 72.35000000000001), reading a decimal does.
 */
export function decimal(value: number, exponent: number): number {
  const [digits, own = '0'] = String(value).split('e');
  return Number(`${digits}e${Number(own) + exponent}`);
}
