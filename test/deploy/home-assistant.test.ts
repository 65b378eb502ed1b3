import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseDocument, type ScalarTag } from 'yaml';
import { toReading } from '../../src/domain/reading.ts';
import { devicePayload } from '../../src/publishers/mqtt/home-assistant.ts';
import { createTopics, weighInMessages } from '../../src/publishers/mqtt/messages.ts';
import { ANNA, weighIn } from '../support/people.ts';

const FOLDER = new URL('../../../deploy/home-assistant/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');

/** Home Assistant's tag for an input of the form. */
class Input {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
const TOPICS = createTopics('weighbridge');

/** Returns the MQTT messages of a weigh-in: the attributes of the event, and the plain kilograms. */
function sentOf(kilograms: number): { readonly attributes: Fields; readonly plain: string | undefined } {
  const reading = toReading(ANNA, weighIn(kilograms, new Date('2026-11-20T06:01:02Z')));
  const ordinary = { kind: 'weigh_in', groupIds: [reading.groupId], correction: false, late: false } as const;
  const delivery = { reading, previousWeight: undefined, ...ordinary };
  const [event, plain] = weighInMessages(delivery, { topics: TOPICS, channel: 'home/weight' });
  return { attributes: JSON.parse(event?.payload ?? ''), plain: plain?.payload };
}

/** Returns the discovery message for Anna. */
function device(): { readonly components: Readonly<Record<string, Fields>> } {
  const options = { userId: ANNA, name: 'Anna', unit: 'kg', topics: TOPICS } as const;
  const program = { version: '1', repository: 'https://example.org/weighbridge', pageUrl: undefined };
  return JSON.parse(devicePayload({ ...options, program, quantities: ['weight', 'fat_ratio', 'muscle_mass'] }));
}

const OTHER_GROUP = '{{ trigger.from_state.attributes.grpid != trigger.to_state.attributes.grpid }}';
const INPUT: ScalarTag = { tag: '!input', resolve: (name) => new Input(name) };

type Fields = Readonly<Record<string, unknown>>;

function parse(name: string): Fields {
  const document = parseDocument(read(name), { customTags: [INPUT], strict: true });
  assert.deepEqual([...document.errors, ...document.warnings], []);
  return document.toJS() as Fields;
}

/** Returns every mapping at any depth. */
function* mappings(value: unknown): Generator<Fields> {
  if (typeof value !== 'object' || value === null || value instanceof Input) return;
  if (!Array.isArray(value)) yield value as Fields;
  for (const each of Object.values(value)) yield* mappings(each);
}

/** The valid keys of a mapping by its type key: https://www.home-assistant.io/docs/automation/ */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  trigger: ['trigger', 'id', 'entity_id', 'from', 'to', 'not_from', 'not_to', 'for'],
  condition: ['condition', 'id', 'value_template'],
  action: ['action', 'target', 'data'],
  choose: ['choose'],
  // https://www.home-assistant.io/docs/blueprint/schema/ and …/selectors/
  selector: ['selector', 'name', 'description', 'default'],
  input: ['input', 'name', 'description', 'domain', 'homeassistant'],
  triggers: ['triggers', 'conditions', 'actions', 'alias', 'mode', 'max', 'variables', 'blueprint'],
  conditions: ['conditions', 'sequence'],
};
const SELECTORS: Readonly<Record<string, readonly string[]>> = {
  entity: ['filter'],
  number: ['min', 'max', 'step', 'unit_of_measurement', 'mode'],
  template: [],
};
/** https://www.home-assistant.io/dashboards/tile/ and its neighbours. */
const CARDS: Readonly<Record<string, readonly string[]>> = {
  'vertical-stack': ['type', 'cards'],
  tile: ['type', 'entity', 'name', 'state_content'],
  'statistics-graph': ['type', 'entities', 'stat_types', 'period', 'days_to_show'],
  entities: ['type', 'entities'],
};

const without = (fields: Fields, known: readonly string[] = []) =>
  Object.keys(fields).filter((key) => !known.includes(key));

/** Returns every text at any depth. */
const texts = (value: unknown) =>
  [...mappings({ value })].flatMap((fields) => Object.values(fields).flat()).filter((each) => typeof each === 'string');

describe('the blueprints and examples for Home Assistant', () => {
  for (const name of ['say-the-weight.yaml', 'automation.yaml']) {
    // https://www.home-assistant.io/blog/2024/10/02/release-202410/#improved-yaml-syntax-for-automations and
    // https://www.home-assistant.io/blog/2024/08/07/release-20248/#goodbye-service-calls-hello-actions-
    it(`use the current words of Home Assistant: ${name}`, () => {
      const automation = parse(name);
      for (const key of ['triggers', 'conditions', 'actions']) assert.ok(Array.isArray(automation[key]), key);
      for (const old of ['trigger', 'condition', 'action']) assert.equal(automation[old], undefined, old);
      const all = [...mappings(automation)];
      for (const fields of all)
        assert.deepEqual(
          Object.keys(fields).filter((key) =>
            ['platform', 'service', 'service_template', 'data_template'].includes(key),
          ),
          [],
        );
      const triggers = automation['triggers'] as readonly Fields[];
      for (const { trigger } of triggers) assert.equal(trigger, 'state');
      for (const { action } of all.filter((fields) => 'action' in fields))
        assert.match(`${action}`, /^[a-z_]+\.[a-z_]+$/);
      for (const trigger of triggers.filter(({ not_to: notTo }) => notTo !== undefined)) {
        assert.equal(trigger['not_from'], 'unavailable', 'nothing is said when weighbridge comes back');
      }
    });
  }

  for (const name of ['say-the-weight.yaml', 'automation.yaml']) {
    it(`use only keys that Home Assistant supports: ${name}`, () => {
      for (const fields of mappings(parse(name))) {
        const kind = Object.keys(KEYS).find((key) => key in fields);
        if (kind !== undefined) assert.deepEqual(without(fields, KEYS[kind]), [], kind);
      }
    });

    it(`have complete templates with existing attributes: ${name}`, () => {
      const { components } = device();
      const health = `${components['needs_login']?.['json_attributes_template']}`;
      const known = [
        ...Object.keys(sentOf(81.25).attributes),
        ...[...health.matchAll(/'([a-z_]+)':/g)].map(([, key]) => key),
      ];
      const used: (string | undefined)[] = [];
      for (const text of texts(parse(name))) {
        assert.doesNotMatch(text.replaceAll(/\{\{[^{}]+\}\}|\{%[^{}]+%\}/g, ''), /[{}]/, text);
        used.push(...[...text.matchAll(/attributes(?:\.get\('|\.(?!get\b))([a-z_]+)/g)].map(([, key]) => key));
      }
      assert.ok(used.length > 3);
      for (const key of used) assert.ok(known.includes(key), key);
    });
  }

  it('use existing selectors in the form', () => {
    const selectors = [...mappings(parse('say-the-weight.yaml'))].flatMap(({ selector }) => selector ?? []) as Fields[];
    assert.equal(selectors.length, 5);
    for (const [kind, options] of selectors.flatMap((selector) => Object.entries(selector))) {
      assert.ok(kind in SELECTORS, kind);
      assert.deepEqual(without(options as Fields, SELECTORS[kind]), []);
    }
    assert.deepEqual(
      selectors.flatMap(({ entity }) => (entity as Fields | undefined)?.['filter'] ?? []),
      [{ integration: 'mqtt', domain: 'event' }, { domain: 'tts' }, { domain: 'media_player' }],
    );
  });

  it('use existing cards', () => {
    const cards = [...mappings(parse('card.yaml'))].filter((fields) => without(fields, ['entity', 'name']).length > 0);
    assert.equal(cards.length, 4);
    for (const card of cards) {
      assert.ok(`${card['type']}` in CARDS, `${card['type']}`);
      assert.deepEqual(without(card, CARDS[`${card['type']}`]), []);
    }
  });

  it('announce a fresh weigh-in and nothing else', () => {
    const { triggers, conditions, actions } = parse('say-the-weight.yaml');
    const said = 'trigger.to_state.attributes';
    const changes = { not_from: 'unavailable', not_to: ['unavailable', 'unknown'] };
    assert.deepEqual(triggers, [{ trigger: 'state', entity_id: new Input('weigh_in'), ...changes }]);
    assert.deepEqual(
      conditions,
      [
        '{{ trigger.from_state is not none }}',
        `{{ ${said}.get('event_type') == 'weigh_in' }}`,
        OTHER_GROUP,
        `{{ now() - as_datetime(${said}.measured_at) < timedelta(hours=max_age_hours) }}`,
      ].map((template) => ({ condition: 'template', value_template: template })),
    );
    const { reading, kilograms, change } = [...mappings(actions)].find((fields) => 'kilograms' in fields) ?? {};
    assert.deepEqual(
      [reading, kilograms, change],
      [said, `${said}.weight_kg`, `${said}.change_kg`].map((of) => `{{ ${of} }}`),
    );
  });

  it('send one message for an event that arrives twice, and one when a login has just ended', () => {
    const { triggers, actions } = parse('automation.yaml');
    const [told] = [...mappings(actions)].flatMap(({ choose }) => (choose ?? []) as readonly Fields[]);
    assert.deepEqual(told?.['conditions'], [
      { condition: 'trigger', id: 'weighed' },
      { condition: 'template', value_template: OTHER_GROUP },
    ]);
    const login = (triggers as readonly Fields[]).find(({ id }) => id === 'needs_login');
    assert.deepEqual([login?.['from'], login?.['to']], ['off', 'on'], 'not when it was unavailable before');
  });

  it('use the chosen speaker, and ask for no unused input', () => {
    const { blueprint, ...automation } = parse('say-the-weight.yaml') as { readonly blueprint: Fields } & Fields;
    assert.equal(blueprint['domain'], 'automation');
    const offered = Object.keys(blueprint['input'] as Fields).sort();
    const used = [...JSON.stringify(automation).matchAll(/\{"name":"([a-z_]+)"\}/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(used)].sort(), offered);
    const speak = [...mappings(automation)].find(({ action }) => action === 'tts.speak');
    assert.deepEqual(Object.keys(speak?.['data'] as Fields), ['media_player_entity_id', 'message']);
  });

  it('accept a maximum age for spoken weigh-ins, which is an hour by default', () => {
    const { blueprint, variables, conditions } = parse('say-the-weight.yaml');
    const { max_age: maxAge } = (blueprint as { readonly input: Readonly<Record<string, Fields>> }).input;
    assert.equal(maxAge?.['default'], 1);
    assert.deepEqual(variables, { max_age_hours: new Input('max_age') });
    assert.match(JSON.stringify(conditions), /timedelta\(hours=max_age_hours\)/);
  });

  it('announce the kilograms from MQTT_CHANNEL for any weight', () => {
    const { blueprint, actions } = parse('say-the-weight.yaml') as Record<'blueprint' | 'actions', Fields>;
    const { sentence } = blueprint['input'] as Readonly<Record<string, Fields>>;
    assert.equal(sentence?.['default'], '{{ name }}: {{ weight }} kilograms');
    const [weight] = [...mappings(actions)].flatMap((fields) => fields['weight'] ?? []);
    // A filter binds before `/`. The numbers of Jinja are those of Python, which are equal to JavaScript's here.
    assert.equal(weight, '{{ (trigger.to_state.attributes.weight_kg * 10 + 0.5) | int / 10 }}');
    for (let grams = 2_000; grams <= 300_000; grams += 5) {
      const kilograms = grams / 1_000;
      assert.equal((Math.trunc(kilograms * 10 + 0.5) / 10).toFixed(1), sentOf(kilograms).plain, `${kilograms}`);
    }
  });

  it('use the name of the device for a person without a name', () => {
    for (const name of ['say-the-weight.yaml', 'automation.yaml']) {
      const uses = read(name).match(/to_state\.attributes\.name\b[^}]*/g) ?? [];
      assert.deepEqual(uses, ["to_state.attributes.name or device_attr(trigger.entity_id, 'name') "]);
    }
  });

  it('use existing entities', () => {
    const known = Object.values(device().components).map((component) => component['default_entity_id']);
    for (const name of ['automation.yaml', 'card.yaml']) {
      parse(name);
      const used = [...read(name).matchAll(/\b(sensor|binary_sensor|event)\.anna_[a-z_]+/g)];
      assert.ok(used.length > 1);
      for (const [entity] of used) assert.ok(known.includes(entity), entity);
    }
  });
});
