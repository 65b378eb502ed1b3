import { BED_KINDS } from '../../domain/bed.ts';
import { POUND, type WeightUnit } from '../../domain/format.ts';
import { nameQuantity, readMeasureKey } from '../../domain/measure.ts';
import { BATTERIES, type HouseholdScale } from '../../domain/scale.ts';
import type { UserId } from '../../domain/token.ts';
import { type Topics, WEIGH_IN } from './messages.ts';

/** The facts about weighbridge itself for Home Assistant. */
export interface Program {
  readonly version: string;
  /** The address of its source. */
  readonly repository: string;
  /** The address of the status page for other computers, if any. */
  readonly pageUrl: string | undefined;
}

/**
 * The facts about a person for Home Assistant's MQTT discovery of devices (2024.12 and later):
 * https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. One device a person, one sensor a quantity.
 */
export interface DeviceOptions {
  readonly userId: UserId;
  /** The household's name of the person. */
  readonly name: string | undefined;
  /** The quantities in the person's readings. */
  readonly quantities: readonly string[];
  /** The withdrawn quantities. Home Assistant removes a sensor only if the message has nothing but its platform. */
  readonly gone?: readonly string[];
  /** Whether the person has a bed event, or had one that the broker may still keep. */
  readonly bed?: 'known' | 'gone' | undefined;
  /** The unit in which Home Assistant shows weights. Messages have kilograms. */
  readonly unit: WeightUnit;
  readonly topics: Topics;
  readonly program: Program;
}

type Component = Readonly<Record<string, unknown>>;

/** The topics of Home Assistant's birth message: the default, and the one with the prefix, to which people move it. */
export function birthTopics(discoveryPrefix: string): readonly string[] {
  return [...new Set(['homeassistant/status', `${discoveryPrefix}/status`])];
}

export function deviceTopic(discoveryPrefix: string, userId: UserId, topics: Topics): string {
  return `${discoveryPrefix}/device/${personObjectId(userId, topics)}/config`;
}

export function devicePayload(options: DeviceOptions): string {
  const { userId, name, quantities, gone = [], bed, unit, topics, program } = options;
  const id = personObjectId(userId, topics);
  const deviceName = name ?? `Withings ${userId}`;
  const common = entityOf(id, slug(deviceName) || `withings_${userId}`);
  const sensors = quantities.map((key): [string, Component] => {
    const { template = 'value_json.value', ...facts } = describeQuantity(key, unit);
    const topic = topics.value(userId, key);
    const weights = facts.device_class === 'weight' && unit !== 'kg' ? { suggested_unit_of_measurement: unit } : {};
    return [
      key,
      {
        ...common('sensor', key, nameQuantity(key), OLD_NAMES.get(key)),
        ...facts,
        ...weights,
        // Two equal weights on two days are two weigh-ins.
        ...(key === 'weight' && { force_update: true }),
        state_topic: topic,
        value_template: `{{ ${template} }}`,
        json_attributes_topic: topic,
        json_attributes_template: "{{ {'measured_at': value_json.measured_at} | tojson }}",
      },
    ];
  });
  const forgotten = gone.includes('weight') ? [...gone, 'measured_at'] : gone;
  return JSON.stringify({
    device: {
      identifiers: [id],
      name: deviceName,
      manufacturer: 'Withings',
      sw_version: program.version,
      configuration_url: program.pageUrl,
    },
    origin: originOf(program),
    availability_topic: topics.status,
    qos: 1,
    components: {
      ...Object.fromEntries(forgotten.map((key) => [key, { platform: 'sensor' }])),
      ...Object.fromEntries(sensors),
      ...(quantities.includes('weight') && {
        measured_at: {
          ...common('sensor', 'measured_at', 'Last weigh-in'),
          device_class: 'timestamp',
          state_topic: topics.value(userId, 'weight'),
          value_template: '{{ value_json.measured_at }}',
        },
      }),
      weigh_in: {
        ...common('event', 'weigh_in', 'Weigh-in'),
        icon: 'mdi:scale-bathroom',
        event_types: [WEIGH_IN],
        state_topic: topics.event(userId),
      },
      ...bedComponents(),
      needs_login: problem('needs_login', 'Login'),
      subscription_lost: problem('subscription_lost', 'Subscription'),
    },
  });

  function bedComponents(): Readonly<Record<string, Component>> {
    if (bed === undefined) return {};
    if (bed === 'gone') return { in_bed: { platform: 'binary_sensor' }, bed: { platform: 'event' } };
    return {
      in_bed: {
        ...common('binary_sensor', 'in_bed', 'In bed'),
        device_class: 'occupancy',
        state_topic: topics.inBed(userId),
        value_template: "{{ 'ON' if value_json.in_bed else 'OFF' }}",
        json_attributes_topic: topics.inBed(userId),
        json_attributes_template: "{{ {'since': value_json.since} | tojson }}",
      },
      bed: {
        ...common('event', 'bed', 'Bed'),
        icon: 'mdi:bed',
        event_types: [...BED_KINDS.values()],
        state_topic: topics.bedEvent(userId),
      },
    };
  }

  /** A sensor that is on while there is a problem. The reason is an attribute. */
  function problem(key: string, label: string): Component {
    return {
      ...common('binary_sensor', key, label),
      device_class: 'problem',
      entity_category: 'diagnostic',
      state_topic: topics.health(userId),
      value_template: `{{ 'ON' if value_json.${key} else 'OFF' }}`,
      json_attributes_topic: topics.health(userId),
      json_attributes_template: "{{ {'reason': value_json.reason, 'since': value_json.since} | tojson }}",
    };
  }
}

export function scaleDeviceTopic(discoveryPrefix: string, id: string, topics: Topics): string {
  return `${discoveryPrefix}/device/${scaleObjectId(id, topics)}/config`;
}

/**
 * The facts about a scale for Home Assistant. Its device is the same for everyone who uses it. The scale's device
 * refers to a person's, not the reverse: Home Assistant may drop a message that refers to an unknown device. A weight
 * must not depend on a battery.
 */
export function scaleDevicePayload(
  { id, model, battery, lastContact, userIds: [user] }: HouseholdScale,
  { topics, program }: Pick<DeviceOptions, 'topics' | 'program'>,
): string {
  const objectId = scaleObjectId(id, topics);
  const name = model ?? 'Withings scale';
  const common = entityOf(objectId, slug(name) || 'withings_scale');
  const diagnostic = (key: string, label: string) => ({
    ...common('sensor', key, label),
    entity_category: 'diagnostic',
    state_topic: topics.scale(id),
    value_template: `{{ value_json.${key} }}`,
  });
  return JSON.stringify({
    device: {
      identifiers: [objectId],
      name,
      manufacturer: 'Withings',
      model,
      via_device: user && personObjectId(user, topics),
    },
    origin: originOf(program),
    availability_topic: topics.status,
    qos: 1,
    components: {
      // Withings has words for the level: the device class `battery` accepts only per cent.
      ...(battery && {
        battery: {
          ...diagnostic('battery', 'Battery'),
          icon: 'mdi:battery',
          device_class: 'enum',
          options: BATTERIES,
        },
      }),
      ...(lastContact && {
        last_contact: { ...diagnostic('last_contact', 'Last contact'), device_class: 'timestamp' },
      }),
    },
  });
}

function originOf({ version, repository }: Program) {
  return { name: 'weighbridge', sw_version: version, url: repository };
}

/**
 * The common fields of an entity. Home Assistant before 2025.10 ignores the id, and makes one from the two names.
 *
 * @param idName the source of the id, if it is not the label
 */
function entityOf(id: string, prefix: string) {
  return (platform: string, key: string, label: string, idName = label) => ({
    platform,
    unique_id: `${id}_${key}`,
    name: label,
    default_entity_id: `${platform}.${prefix}_${slug(idName)}`,
  });
}

/** The former names of these quantities. Automations and dashboards use ids with these names. */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ['fat_ratio', 'Fat ratio'],
  ['hydration', 'Hydration'],
]);

interface Quantity {
  readonly device_class?: string;
  readonly unit_of_measurement?: string;
  readonly state_class?: 'measurement';
  readonly suggested_display_precision?: number;
  readonly enabled_by_default?: false;
  readonly icon?: string;
  /** The template of the state, if it is not the plain value. */
  readonly template?: string;
}

const measured = (unit?: string, more: Quantity = {}): Quantity => ({
  ...(unit !== undefined && { unit_of_measurement: unit }),
  state_class: 'measurement',
  ...more,
});
const MASS = measured('kg', { device_class: 'weight', suggested_display_precision: 2 });
const RARE_MASS: Quantity = { ...MASS, enabled_by_default: false };
const TEMPERATURE = measured('°C', { device_class: 'temperature', suggested_display_precision: 1 });
const shown = (unit: string | undefined, icon: string, digits: number) =>
  measured(unit, { icon, suggested_display_precision: digits });
const HEART = 'mdi:heart-pulse';

/**
 * Device classes, units and state classes are those of Home Assistant's Withings integration (core,
 * `withings/sensor.py`). So statistics survive a switch between the two.
 */
const QUANTITIES: ReadonlyMap<string, Quantity> = new Map(
  Object.entries<Quantity>({
    weight: MASS,
    height: measured('m', { device_class: 'distance', suggested_display_precision: 2 }),
    fat_free_mass: MASS,
    fat_ratio: shown('%', 'mdi:percent-outline', 2),
    fat_mass: MASS,
    diastolic_bp: shown('mmHg', HEART, 0),
    systolic_bp: shown('mmHg', HEART, 0),
    heart_rate: shown('bpm', HEART, 0),
    temperature: TEMPERATURE,
    spo2: shown('%', 'mdi:water-percent', 0),
    body_temperature: TEMPERATURE,
    skin_temperature: TEMPERATURE,
    muscle_mass: MASS,
    hydration: RARE_MASS,
    bone_mass: MASS,
    pulse_wave_velocity: measured('m/s', { device_class: 'speed', suggested_display_precision: 2 }),
    vo2_max: shown('ml/min/kg', 'mdi:lungs', 1),
    vascular_age: shown(undefined, HEART, 0),
    extracellular_water: RARE_MASS,
    intracellular_water: RARE_MASS,
    visceral_fat: shown(undefined, 'mdi:stomach', 1),
    // `energy` would forbid the state class: it is for sums.
    basal_metabolic_rate: shown('kcal/d', 'mdi:fire', 0),
    metabolic_age: shown(undefined, 'mdi:fire', 0),
    // These numbers are a classification, and have no mean.
    afib_ecg: { icon: HEART },
    afib_ppg: { icon: HEART },
  }),
);

/** The values that weighbridge derives: `domain/derived.ts`. */
const DERIVED: ReadonlyMap<string, Quantity> = new Map(
  Object.entries<Quantity>({
    bmi: shown('kg/m²', 'mdi:human', 1),
    weight_trend: { ...MASS, icon: 'mdi:chart-line', suggested_display_precision: 1 },
    weight_goal: { ...MASS, icon: 'mdi:flag-checkered' },
    weight_to_goal: { ...MASS, icon: 'mdi:flag-outline' },
  }),
);

/** Home Assistant converts weights, but not weights per week. */
function weightPerWeek(unit: WeightUnit): Quantity {
  const isMetric = unit === 'kg';
  return measured(isMetric ? 'kg/week' : 'lb/week', {
    icon: 'mdi:chart-line-variant',
    suggested_display_precision: isMetric ? 2 : 1,
    ...(!isMetric && { template: `(value_json.value / ${POUND}) | round(1)` }),
  });
}

/** Looks a quantity up by the key of its topic. One that is not in the tables has Withings' unit, if any. */
function describeQuantity(key: string, weightUnit: WeightUnit): Quantity {
  if (key === 'weight_per_week') return weightPerWeek(weightUnit);
  const known = QUANTITIES.get(key) ?? DERIVED.get(key);
  if (known !== undefined) return known;
  const { unit } = readMeasureKey(key);
  if (unit === 'kg') return RARE_MASS;
  return measured(unit === '' ? undefined : unit, { icon: 'mdi:gauge' });
}

/** Two weighbridges may have the same person, each with its own prefix. Those are two devices. */
function personObjectId(userId: UserId, { id }: Topics): string {
  return `${id}_${userId}`;
}

function scaleObjectId(scaleId: string, { id }: Topics): string {
  return `${id}_scale_${scaleId}`;
}

/** Letters of Latin scripts that are not a letter with a mark. */
const LETTERS: Readonly<Record<string, string>> = {
  æ: 'ae',
  đ: 'd',
  ð: 'd',
  ı: 'i',
  ł: 'l',
  ø: 'o',
  œ: 'oe',
  ß: 'ss',
  þ: 'th',
};

/**
 * `Bärbel` → `barbel`, `Łukasz` → `lukasz`, as Home Assistant makes ids of names in Latin letters. It spells out other
 * scripts, which needs a large table. This function omits them, so the result may be empty.
 */
function slug(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\0-\x7f]/gu, (letter) => LETTERS[letter] ?? letter)
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
}
