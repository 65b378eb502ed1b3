import { BED_KINDS } from '../../domain/bed.ts';
import { POUND, type WeightUnit } from '../../domain/format.ts';
import { nameQuantity, readMeasureKey } from '../../domain/measure.ts';
import { BATTERIES, type HouseholdScale } from '../../domain/scale.ts';
import type { UserId } from '../../domain/token.ts';
import { type Topics, WEIGH_IN } from './messages.ts';

/** What Home Assistant is told about weighbridge itself. */
export interface Program {
  readonly version: string;
  /** Where its source is. */
  readonly repository: string;
  /** Where other computers find the status page, if they do. */
  readonly pageUrl: string | undefined;
}

/**
 * What Home Assistant is told about a person over MQTT discovery of devices (2024.12 and later):
 * https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. One device a person, one sensor a quantity.
 */
export interface DeviceOptions {
  readonly userId: UserId;
  /** What the household calls the person. */
  readonly name: string | undefined;
  /** The quantities that have appeared in the person's readings. */
  readonly quantities: readonly string[];
  /** Those that were taken back. Home Assistant forgets a sensor that comes with its platform alone, and no other. */
  readonly gone?: readonly string[];
  /** Whether there is a bed event of the person, or was one and the broker may still keep it. */
  readonly bed?: 'known' | 'gone' | undefined;
  /** What weights are to be shown in; they are sent in kilograms. */
  readonly unit: WeightUnit;
  readonly topics: Topics;
  readonly program: Program;
}

type Component = Readonly<Record<string, unknown>>;

/** Where Home Assistant says that it has started: its default, and where people move it to with the prefix. */
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

  /** On while something is wrong; the reason is an attribute. */
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
 * What Home Assistant is told about a scale. Its device is one for everyone who uses it. It hangs below the device of a
 * person: if the other device is unknown, Home Assistant may drop the message, and a weight must not depend on a battery.
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
      // In words, as Withings has it: the device class `battery` takes nothing but per cent.
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
 * What every entity of a device has. Home Assistant before 2025.10 does not know the id, and makes one of the two names.
 *
 * @param idName what the id is made of, if it is not the label
 */
function entityOf(id: string, prefix: string) {
  return (platform: string, key: string, label: string, idName = label) => ({
    platform,
    unique_id: `${id}_${key}`,
    name: label,
    default_entity_id: `${platform}.${prefix}_${slug(idName)}`,
  });
}

/** What these quantities were called before. Automations and dashboards have ids with these names. */
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
  /** What of the payload is the state, if it is not the value as it is. */
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
 * Device classes, units and state classes as Home Assistant's own Withings integration has them (core,
 * `withings/sensor.py`), so that statistics survive a change from one to the other.
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
    // `energy` would forbid the state class: it is for what adds up.
    basal_metabolic_rate: shown('kcal/d', 'mdi:fire', 0),
    metabolic_age: shown(undefined, 'mdi:fire', 0),
    // Numbers of a classification, which have no mean.
    afib_ecg: { icon: HEART },
    afib_ppg: { icon: HEART },
  }),
);

/** What weighbridge derives: `domain/derived.ts`. */
const DERIVED: ReadonlyMap<string, Quantity> = new Map(
  Object.entries<Quantity>({
    bmi: shown('kg/m²', 'mdi:human', 1),
    weight_trend: { ...MASS, icon: 'mdi:chart-line', suggested_display_precision: 1 },
    weight_goal: { ...MASS, icon: 'mdi:flag-checkered' },
    weight_to_goal: { ...MASS, icon: 'mdi:flag-outline' },
  }),
);

/** Home Assistant converts weights, and no weights per week. */
function weightPerWeek(unit: WeightUnit): Quantity {
  const isMetric = unit === 'kg';
  return measured(isMetric ? 'kg/week' : 'lb/week', {
    icon: 'mdi:chart-line-variant',
    suggested_display_precision: isMetric ? 2 : 1,
    ...(!isMetric && { template: `(value_json.value / ${POUND}) | round(1)` }),
  });
}

/** By the key of the topic. A quantity that is not in the tables has Withings' unit, if it has one. */
function describeQuantity(key: string, weightUnit: WeightUnit): Quantity {
  if (key === 'weight_per_week') return weightPerWeek(weightUnit);
  const known = QUANTITIES.get(key) ?? DERIVED.get(key);
  if (known !== undefined) return known;
  const { unit } = readMeasureKey(key);
  if (unit === 'kg') return RARE_MASS;
  return measured(unit === '' ? undefined : unit, { icon: 'mdi:gauge' });
}

/** Two weighbridges may have the same person, each under a prefix of its own: those are two devices. */
function personObjectId(userId: UserId, { id }: Topics): string {
  return `${id}_${userId}`;
}

function scaleObjectId(scaleId: string, { id }: Topics): string {
  return `${id}_scale_${scaleId}`;
}

/** Letters of Latin scripts that are no letter with a mark. */
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
 * `Bärbel` → `barbel`, `Łukasz` → `lukasz`, as Home Assistant makes ids of names that are written in Latin letters. Those
 * of other scripts it spells out, which takes a table of them all; here they are left out, and maybe nothing is left.
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
