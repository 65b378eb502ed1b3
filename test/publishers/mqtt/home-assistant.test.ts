import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { MEASURE_TYPES } from '../../../src/domain/measure.ts';
import { quantityOf } from '../../../src/page/quantity.ts';
import {
  birthTopics,
  type DeviceOptions,
  devicePayload,
  deviceTopic,
  scaleDevicePayload,
  scaleDeviceTopic,
} from '../../../src/publishers/mqtt/home-assistant.ts';
import { createTopics } from '../../../src/publishers/mqtt/messages.ts';
import { LONG_BYTES } from '../../../src/publishers/mqtt/trial.ts';
import { parseLine } from '../../../src/storage/journal/line.ts';
import { ANNA, BO, userId } from '../../support/people.ts';

const TOPICS = createTopics('weighbridge');
const ALL = [
  ...Object.values(MEASURE_TYPES).map(({ key }) => key),
  'segment_muscle_mass_2',
  'segment_fat_mass_11',
  'segment_fat_mass_99',
  'type_999',
  'type_999_3',
];

type Component = Readonly<Record<string, unknown>>;
interface Device {
  readonly device: Readonly<Record<string, unknown>>;
  readonly origin: Readonly<Record<string, unknown>>;
  readonly components: Readonly<Record<string, Component>>;
  readonly [name: string]: unknown;
}

const PROGRAM = { version: '1.2.3', repository: 'https://example.org/weighbridge', pageUrl: undefined };

function device(changes: Partial<DeviceOptions> = {}): Device {
  const golden = {
    userId: ANNA,
    name: 'Anna',
    quantities: ['fat_ratio', 'weight'],
    unit: 'kg',
    program: PROGRAM,
  } as const;
  return JSON.parse(devicePayload({ ...golden, topics: TOPICS, ...changes }));
}

/**
 * The valid units of a device class: https://developers.home-assistant.io/docs/core/entity/sensor/#available-device-
 * classes
 */
const UNITS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  weight: ['kg', 'g', 'mg', 'µg', 'oz', 'lb', 'st'],
  temperature: ['°C', '°F', 'K'],
  distance: ['km', 'm', 'cm', 'mm', 'mi', 'nmi', 'yd', 'in'],
  speed: ['ft/s', 'in/d', 'in/h', 'in/s', 'km/h', 'kn', 'm/s', 'mph', 'mm/d', 'mm/s'],
  timestamp: [undefined],
};

/** The valid options of a platform: https://www.home-assistant.io/integrations/sensor.mqtt/ and its neighbours. */
const COMMON = [
  'platform',
  'unique_id',
  'name',
  'default_entity_id',
  'state_topic',
  'icon',
  'device_class',
  'entity_category',
  'enabled_by_default',
  'json_attributes_topic',
  'json_attributes_template',
  'value_template',
];
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  sensor: [...COMMON, 'state_class', 'unit_of_measurement', 'suggested_display_precision', 'force_update', 'options'],
  binary_sensor: COMMON,
  event: [...COMMON, 'event_types'],
};
/** The documents of the platform lack this option: one release accepts it, and others drop it silently. */
const HOPED_FOR = ['suggested_unit_of_measurement'];

describe('Home Assistant', () => {
  it('gets a bed with valid options, and the removal of a bed', () => {
    const { components } = device({ bed: 'known' });
    const { in_bed = {}, bed = {} } = components;
    for (const each of [in_bed, bed]) {
      const options = OPTIONS[String(each['platform'])] ?? [];
      assert.deepEqual(
        Object.keys(each).filter((option) => !options.includes(option)),
        [],
      );
    }
    assert.equal(in_bed['value_template'], "{{ 'ON' if value_json.in_bed else 'OFF' }}");
    const { needs_login: _rest, ...gone } = device({ bed: 'gone', quantities: [] }).components;
    assert.deepEqual([gone['in_bed'], gone['bed']], [{ platform: 'binary_sensor' }, { platform: 'event' }]);
    assert.equal('in_bed' in device().components, false);
  });

  it('gets a person with all required fields', () => {
    assert.equal(deviceTopic('homeassistant', ANNA, TOPICS), 'homeassistant/device/weighbridge_1234/config');
    const weight = 'weighbridge/1234/weight';
    const health = 'weighbridge/1234/health';
    const measuredAt = "{{ {'measured_at': value_json.measured_at} | tojson }}";
    const reason = "{{ {'reason': value_json.reason, 'since': value_json.since} | tojson }}";
    assert.deepEqual(device(), {
      device: { identifiers: ['weighbridge_1234'], name: 'Anna', manufacturer: 'Withings', sw_version: '1.2.3' },
      origin: { name: 'weighbridge', sw_version: '1.2.3', url: 'https://example.org/weighbridge' },
      availability_topic: 'weighbridge/status',
      qos: 1,
      components: {
        fat_ratio: {
          platform: 'sensor',
          unique_id: 'weighbridge_1234_fat_ratio',
          name: 'Body fat',
          default_entity_id: 'sensor.anna_fat_ratio',
          unit_of_measurement: '%',
          icon: 'mdi:percent-outline',
          suggested_display_precision: 2,
          state_class: 'measurement',
          state_topic: 'weighbridge/1234/fat_ratio',
          value_template: '{{ value_json.value }}',
          json_attributes_topic: 'weighbridge/1234/fat_ratio',
          json_attributes_template: measuredAt,
        },
        weight: {
          platform: 'sensor',
          unique_id: 'weighbridge_1234_weight',
          name: 'Weight',
          default_entity_id: 'sensor.anna_weight',
          device_class: 'weight',
          unit_of_measurement: 'kg',
          suggested_display_precision: 2,
          state_class: 'measurement',
          force_update: true,
          state_topic: weight,
          value_template: '{{ value_json.value }}',
          json_attributes_topic: weight,
          json_attributes_template: measuredAt,
        },
        measured_at: {
          platform: 'sensor',
          unique_id: 'weighbridge_1234_measured_at',
          name: 'Last weigh-in',
          default_entity_id: 'sensor.anna_last_weigh_in',
          device_class: 'timestamp',
          state_topic: weight,
          value_template: '{{ value_json.measured_at }}',
        },
        weigh_in: {
          platform: 'event',
          unique_id: 'weighbridge_1234_weigh_in',
          name: 'Weigh-in',
          default_entity_id: 'event.anna_weigh_in',
          icon: 'mdi:scale-bathroom',
          event_types: ['weigh_in'],
          state_topic: 'weighbridge/1234/event',
        },
        needs_login: {
          platform: 'binary_sensor',
          unique_id: 'weighbridge_1234_needs_login',
          name: 'Login',
          default_entity_id: 'binary_sensor.anna_login',
          device_class: 'problem',
          entity_category: 'diagnostic',
          state_topic: health,
          value_template: "{{ 'ON' if value_json.needs_login else 'OFF' }}",
          json_attributes_topic: health,
          json_attributes_template: reason,
        },
        subscription_lost: {
          platform: 'binary_sensor',
          unique_id: 'weighbridge_1234_subscription_lost',
          name: 'Subscription',
          default_entity_id: 'binary_sensor.anna_subscription',
          device_class: 'problem',
          entity_category: 'diagnostic',
          state_topic: health,
          value_template: "{{ 'ON' if value_json.subscription_lost else 'OFF' }}",
          json_attributes_topic: health,
          json_attributes_template: reason,
        },
      },
    });
  });

  // https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload: device and origin are required, so are
  // the platform of every component and the unique id of every entity; ids are of [a-zA-Z0-9_-].
  it('accepts the device and each of its components', () => {
    const { device: about, origin, components } = device({ quantities: ALL, unit: 'lb' });
    assert.ok(about['identifiers'] && origin['name']);
    const ids = Object.values(components).map((component) => component['unique_id']);
    assert.equal(new Set(ids).size, ids.length);
    for (const [key, component] of Object.entries(components)) {
      assert.match(key, /^[a-zA-Z0-9_-]+$/);
      assert.match(`${component['unique_id']}`, /^[a-zA-Z0-9_-]+$/);
      const known = [...(OPTIONS[`${component['platform']}`] ?? []), ...HOPED_FOR];
      assert.deepEqual(
        Object.keys(component).filter((option) => !known.includes(option)),
        [],
        key,
      );
      assert.match(`${component['default_entity_id']}`, new RegExp(`^${component['platform']}\\.[a-z0-9_]+$`));
    }
  });

  it('gets different ids from two weighbridges with two prefixes and the same person', () => {
    const idsOf = (prefix: string) => {
      const topics = createTopics(prefix);
      const { device: about, components } = device({ topics });
      const ids = Object.values(components).map((component) => `${component['unique_id']}`);
      return [...ids, `${about['identifiers']}`, deviceTopic('homeassistant', ANNA, topics)];
    };
    const all = ['weighbridge', 'trial', 'home/scale', 'home_scale', 'Waage über'].flatMap(idsOf);
    assert.equal(new Set(all).size, all.length);
    for (const id of all) assert.match(id, /^(homeassistant\/device\/weighbridge_[a-z0-9_]+\/config|[a-zA-Z0-9_-]+)$/);
    assert.equal(idsOf('weighbridge').at(-1), 'homeassistant/device/weighbridge_1234/config');
  });

  it('gets a valid unit with every device class, for every quantity', () => {
    for (const [key, component] of Object.entries(device({ quantities: ALL, unit: 'st' }).components)) {
      const { platform, device_class: deviceClass, state_class: stateClass } = component;
      if (platform !== 'sensor' || deviceClass === undefined) continue;
      const units = UNITS[`${deviceClass}`] ?? [];
      assert.ok(units.includes(component['unit_of_measurement'] as string | undefined), key);
      const suggested = component['suggested_unit_of_measurement'] as string | undefined;
      if (suggested !== undefined) assert.ok(units.includes(suggested), key);
      // https://developers.home-assistant.io/docs/core/entity/sensor/#available-state-classes
      if (deviceClass === 'timestamp') assert.equal(stateClass, undefined, key);
    }
  });

  it('gets kilograms, and a suggestion of the unit of the household', () => {
    const { weight, fat_ratio: ratio } = device({ unit: 'lb' }).components;
    assert.equal(weight?.['unit_of_measurement'], 'kg');
    assert.equal(weight?.['suggested_unit_of_measurement'], 'lb');
    assert.equal(ratio?.['suggested_unit_of_measurement'], undefined);
  });

  it('gets the names of limbs, and a number for a quantity without a name', () => {
    const { components } = device({ quantities: ALL });
    const nameOf = (key: string) => components[key]?.['name'];
    assert.equal(nameOf('segment_muscle_mass_2'), 'Segment muscle mass, right arm');
    assert.equal(nameOf('segment_fat_mass_11'), 'Segment fat mass, right leg');
    assert.equal(nameOf('segment_fat_mass_99'), 'Segment fat mass, position 99');
    assert.equal(nameOf('type_999'), 'Type 999');
    assert.equal(nameOf('type_999_3'), 'Type 999, left arm');
    assert.equal(components['type_999']?.['unit_of_measurement'], undefined);
  });

  it('gets ids from names in Latin letters, or from the number without such letters', () => {
    const idOf = (name: string | undefined) => device({ name }).components['weight']?.['default_entity_id'];
    assert.equal(idOf('Bärbel O’Hara'), 'sensor.barbel_o_hara_weight');
    for (const [name, id] of [
      ['Søren', 'soren'],
      ['Łukasz', 'lukasz'],
      ['Groß', 'gross'],
      ['Æsa Þórðardóttir', 'aesa_thordardottir'],
      ['Đorđe Lœuf', 'dorde_loeuf'],
      ['Işıl', 'isil'],
    ] as const) {
      assert.equal(idOf(name), `sensor.${id}_weight`);
    }
    assert.equal(idOf('Анна'), 'sensor.withings_1234_weight');
    assert.equal(idOf('安娜'), 'sensor.withings_1234_weight');
    assert.equal(idOf(undefined), 'sensor.withings_1234_weight');
    assert.equal(device({ name: undefined }).device['name'], 'Withings 1234');
  });

  // https://developers.home-assistant.io/blog/2022/07/10/entity_naming and …/2023/07/21/change-naming-mqtt-entities: the
  // id is made of the name of the device and that of the entity.
  it('gets ids from the names, and the old id of a renamed quantity', () => {
    const { device: about, components } = device({ name: 'Anna Lena', quantities: ALL });
    const old: Readonly<Record<string, string>> = { 'Body fat': 'Fat ratio', 'Body water': 'Hydration' };
    const ids = Object.values(components).map(({ platform, name, default_entity_id: id }) => {
      const said = `${about['name']} ${old[String(name)] ?? name}`.normalize('NFKD').toLowerCase();
      assert.equal(id, `${platform}.${said.match(/[a-z0-9]+/g)?.join('_')}`);
      return id;
    });
    assert.equal(new Set(ids).size, ids.length);
  });

  it('gets the names of the page', () => {
    const keys = [...ALL, 'segment_muscle_mass_3', 'bmi', 'type_999'];
    const { components } = device({ quantities: keys });
    for (const key of keys) assert.equal(components[key]?.['name'], quantityOf(key, 'kg').title, key);
    assert.equal(components['hydration']?.['name'], 'Body water');
    assert.equal(components['spo2']?.['name'], 'Blood oxygen');
  });

  it('is observed for its start message, wherever discovery was moved', () => {
    assert.deepEqual(birthTopics('homeassistant'), ['homeassistant/status']);
    assert.deepEqual(birthTopics('ha'), ['homeassistant/status', 'ha/status']);
  });

  it('gets the removal of a withdrawn quantity, and of the time with the weight', () => {
    const { components } = device({ quantities: ['fat_ratio'], gone: ['height', 'weight'] });
    for (const key of ['height', 'weight', 'measured_at']) assert.deepEqual(components[key], { platform: 'sensor' });
    assert.equal(components['fat_ratio']?.['name'], 'Body fat');
  });

  it('shows no last weigh-in if there was none', () => {
    assert.equal(device({ quantities: ['heart_rate'] }).components['measured_at'], undefined);
  });
});

it('gets a quantity with the name of an object property like any other', () => {
  const line = parseLine(
    '{"userid":"1234","grpid":9000000081,"timestamp":1795154462,"modified":1795154552,"attrib":0,"measures":{"weight":81.25,"constructor":80,"__proto__x":1}}',
  );
  const quantities = Object.keys(line?.reading.measures ?? {});
  assert.deepEqual(quantities, ['weight', 'constructor', '__proto__x']);
  const topics = createTopics('weighbridge');
  const options = { userId: ANNA, name: 'Anna', unit: 'kg', topics, program: PROGRAM, quantities } as const;
  const { components } = JSON.parse(devicePayload(options));
  assert.equal(components.constructor.name, 'Constructor');
  assert.equal(quantityOf('constructor', 'kg').title, 'Constructor');
});

describe('a derived value', () => {
  const DERIVED = ['bmi', 'weight_goal', 'weight_per_week', 'weight_to_goal', 'weight_trend'];
  const facts = (unit: 'kg' | 'lb' | 'st', key: string) => {
    const { components } = device({ quantities: DERIVED, unit });
    const { name, device_class, unit_of_measurement, state_class, icon, ...more } = components[key] ?? {};
    const { suggested_display_precision: digits, suggested_unit_of_measurement: suggested, value_template } = more;
    return [name, device_class, unit_of_measurement, state_class, icon, digits, suggested, value_template];
  };
  const VALUE = '{{ value_json.value }}';
  const none = undefined;

  it('is a sensor with a unit, an icon and the precision of the page', () => {
    const sensors = DERIVED.map((key) => facts('kg', key));
    assert.deepEqual(sensors, [
      ['BMI', none, 'kg/m²', 'measurement', 'mdi:human', 1, none, VALUE],
      ['Weight goal', 'weight', 'kg', 'measurement', 'mdi:flag-checkered', 2, none, VALUE],
      ['Weight change per week', none, 'kg/week', 'measurement', 'mdi:chart-line-variant', 2, none, VALUE],
      ['Weight to goal', 'weight', 'kg', 'measurement', 'mdi:flag-outline', 2, none, VALUE],
      ['Weight trend', 'weight', 'kg', 'measurement', 'mdi:chart-line', 1, none, VALUE],
    ]);
  });

  it('is in the unit of the household, by a template if Home Assistant cannot convert it', () => {
    assert.equal(facts('lb', 'weight_trend')[6], 'lb');
    assert.equal(facts('st', 'weight_to_goal')[6], 'st');
    for (const unit of ['lb', 'st'] as const) {
      const [, , shown, , , digits, suggested, template] = facts(unit, 'weight_per_week');
      assert.deepEqual([shown, digits, suggested], ['lb/week', 1, none]);
      assert.equal(template, '{{ (value_json.value / 0.45359237) | round(1) }}');
    }
  });
});

/** Returns the parts that Home Assistant rejects or drops silently. */
function objectionsTo({ device: about, origin, components }: Device): readonly string[] {
  const unknown = (what: string, fields: Readonly<Record<string, unknown>>, known: readonly string[]) =>
    Object.keys(fields).flatMap((field) => (known.includes(field) ? [] : [`${what}: ${field}`]));
  const ids = Object.values(components).map((component) => component['unique_id']);
  return [
    // https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and #discovery-payload
    ...unknown('device', about, DEVICE_FIELDS),
    ...unknown('origin', origin, ['name', 'sw_version', 'url']),
    ...(new Set(ids).size === ids.length ? [] : ['an id twice']),
    ...Object.entries(components).flatMap(([key, component]) => [
      ...unknown(key, component, OPTIONS[`${component['platform']}`] ?? []),
      ...([key, component['unique_id']].every((id) => /^[a-zA-Z0-9_-]+$/.test(`${id}`)) ? [] : [`${key}: id`]),
    ]),
  ];
}
const DEVICE_FIELDS = [
  'identifiers',
  'name',
  'manufacturer',
  'model',
  'sw_version',
  'via_device',
  'configuration_url',
] as const;

describe('a person with every quantity', () => {
  const PARTS = [2, 3, 10, 11, 12];
  const SEGMENTS = ['segment_fat_free_mass', 'segment_fat_mass', 'segment_muscle_mass'];
  /** The list has every kind of measure, the limbs and the torso of a Body Scan, and all derived values. */
  const EVERYTHING = [
    ...Object.values(MEASURE_TYPES).map(({ key }) => key),
    ...SEGMENTS.flatMap((segment) => PARTS.map((part) => `${segment}_${part}`)),
    ...['bmi', 'weight_goal', 'weight_per_week', 'weight_to_goal', 'weight_trend'],
  ];
  const program = { ...PROGRAM, pageUrl: 'http://raspberrypi.local:3001/' };
  const everything = (changes: Partial<DeviceOptions> = {}) =>
    device({
      userId: userId('27182818'),
      quantities: EVERYTHING,
      bed: 'known',
      program,
      name: 'Anna-Katharina',
      ...changes,
    });

  for (const unit of ['kg', 'lb', 'st'] as const) {
    it(`has a discovery message that Home Assistant accepts entirely, in ${unit}`, () => {
      const hoped = unit === 'kg' ? [] : HOPED_FOR;
      const rest = objectionsTo(everything({ unit })).filter((each) => !hoped.some((field) => each.endsWith(field)));
      assert.deepEqual(rest, []);
    });
  }

  it('has a discovery message as long as the test message of the doctor, to a thousand bytes', () => {
    const lengths = (['kg', 'lb', 'st'] as const).map((unit) =>
      Buffer.byteLength(JSON.stringify(everything({ unit }))),
    );
    assert.equal(LONG_BYTES, Math.ceil(Math.max(...lengths) / 1000) * 1000, `${lengths} bytes`);
    assert.ok(LONG_BYTES < 65_536);
  });

  it('gets an icon for each sensor without a device class', () => {
    for (const [key, component] of Object.entries(everything().components))
      assert.ok(component['device_class'] !== undefined || /^mdi:[a-z-]+$/.test(`${component['icon']}`), key);
  });

  it('gets a precision for each unit that is calculated, converted or composed', () => {
    const calculated = Object.entries(everything().components).filter(
      ([, { device_class: deviceClass, unit_of_measurement: unit }]) =>
        unit !== undefined &&
        (['weight', 'distance', 'speed', 'temperature'].includes(`${deviceClass}`) || /[/%]/.test(`${unit}`)),
    );
    assert.ok(calculated.length > 30);
    for (const [key, component] of calculated) {
      if (/^urine_/.test(key)) continue;
      assert.equal(typeof component['suggested_display_precision'], 'number', key);
    }
  });

  it('has diagnostics apart from measurements', () => {
    const found = Object.entries(everything().components).filter(
      ([, each]) => each['entity_category'] === 'diagnostic',
    );
    assert.deepEqual(
      found.map(([key]) => key),
      ['needs_login', 'subscription_lost'],
    );
  });

  it('has a link to the page only if other computers can reach the page', () => {
    assert.equal(everything().device['configuration_url'], 'http://raspberrypi.local:3001/');
    assert.equal('configuration_url' in device().device, false);
  });
});

describe('a scale', () => {
  const SCALE = {
    id: '0123abc',
    model: 'Body Scan',
    battery: 'low',
    lastContact: new Date('2026-11-20T06:00:00Z'),
    seenAt: new Date('2026-11-20T06:00:00Z'),
    userIds: [ANNA, BO],
  } as const;
  const scale = (changes: Partial<Parameters<typeof scaleDevicePayload>[0]> = {}): Device =>
    JSON.parse(scaleDevicePayload({ ...SCALE, ...changes }, { topics: TOPICS, program: PROGRAM }));

  it('is a device of its own below the device of a person, with two diagnostics', () => {
    assert.equal(
      scaleDeviceTopic('homeassistant', SCALE.id, TOPICS),
      'homeassistant/device/weighbridge_scale_0123abc/config',
    );
    const common = { platform: 'sensor', entity_category: 'diagnostic', state_topic: 'weighbridge/scale/0123abc' };
    assert.deepEqual(scale(), {
      device: {
        identifiers: ['weighbridge_scale_0123abc'],
        name: 'Body Scan',
        manufacturer: 'Withings',
        model: 'Body Scan',
        via_device: `${device().device['identifiers']}`,
      },
      origin: device().origin,
      availability_topic: 'weighbridge/status',
      qos: 1,
      components: {
        battery: {
          ...common,
          unique_id: 'weighbridge_scale_0123abc_battery',
          name: 'Battery',
          default_entity_id: 'sensor.body_scan_battery',
          icon: 'mdi:battery',
          device_class: 'enum',
          options: ['low', 'medium', 'high'],
          value_template: '{{ value_json.battery }}',
        },
        last_contact: {
          ...common,
          unique_id: 'weighbridge_scale_0123abc_last_contact',
          name: 'Last contact',
          default_entity_id: 'sensor.body_scan_last_contact',
          device_class: 'timestamp',
          value_template: '{{ value_json.last_contact }}',
        },
      },
    });
    assert.deepEqual(objectionsTo(scale()), []);
  });

  // https://developers.home-assistant.io/docs/core/entity/sensor/: `battery` is a percentage; `enum` has neither a unit
  // nor a state class.
  it('reports its battery in the values of the device class', () => {
    const { battery = {} } = scale().components;
    assert.deepEqual([battery['unit_of_measurement'], battery['state_class']], [undefined, undefined]);
  });

  it('has no sensor for a field that Withings omits, and a name without a model', () => {
    const { device: about, components } = scale({ model: undefined, battery: undefined, lastContact: undefined });
    assert.deepEqual([about['name'], 'model' in about, components], ['Withings scale', false, {}]);
    const [key] = Object.keys(scale({ model: undefined, battery: undefined }).components);
    assert.equal(key, 'last_contact');
  });
});
