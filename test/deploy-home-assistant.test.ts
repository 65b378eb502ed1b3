import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseDocument, type ScalarTag } from 'yaml';
import { toReading } from '../src/domain/reading.ts';
import { devicePayload } from '../src/publishers/home-assistant.ts';
import { createTopics, weighInMessages } from '../src/publishers/mqtt-messages.ts';
import { ANNA, weighIn } from './support/people.ts';

const FOLDER = new URL('../../deploy/home-assistant/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');

/** Home Assistant's own tag, for what somebody chooses in the form. */
class Input {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}
const TOPICS = createTopics('weighbridge');

/** What is sent of a weigh-in: the attributes of the event, and the plain kilograms. */
function sentOf(kilograms: number): { readonly attributes: Fields; readonly plain: string | undefined } {
  const reading = toReading(ANNA, weighIn(kilograms, new Date('2026-11-20T06:01:02Z')));
  const delivery = { reading, previousWeight: undefined, correction: false, late: false };
  const [event, plain] = weighInMessages(delivery, { topics: TOPICS, channel: 'home/weight' });
  return { attributes: JSON.parse(event?.payload ?? ''), plain: plain?.payload };
}

const INPUT: ScalarTag = { tag: '!input', resolve: (name) => new Input(name) };

type Fields = Readonly<Record<string, unknown>>;

function parse(name: string): Fields {
  const document = parseDocument(read(name), { customTags: [INPUT], strict: true });
  assert.deepEqual([...document.errors, ...document.warnings], []);
  return document.toJS() as Fields;
}

/** Every mapping in it, however deep. */
function* mappings(value: unknown): Generator<Fields> {
  if (typeof value !== 'object' || value === null || value instanceof Input) return;
  if (!Array.isArray(value)) yield value as Fields;
  for (const each of Object.values(value)) yield* mappings(each);
}

describe('what is there for Home Assistant', () => {
  for (const name of ['say-the-weight.yaml', 'automation.yaml']) {
    // https://www.home-assistant.io/blog/2024/10/02/release-202410/#improved-yaml-syntax-for-automations and
    // https://www.home-assistant.io/blog/2024/08/07/release-20248/#goodbye-service-calls-hello-actions-
    it(`is written in today's words: ${name}`, () => {
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

  it('speaks with what was chosen, and asks for nothing that it does not use', () => {
    const { blueprint, ...automation } = parse('say-the-weight.yaml') as { readonly blueprint: Fields } & Fields;
    assert.equal(blueprint['domain'], 'automation');
    const offered = Object.keys(blueprint['input'] as Fields).sort();
    const used = [...JSON.stringify(automation).matchAll(/\{"name":"([a-z_]+)"\}/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(used)].sort(), offered);
    const speak = [...mappings(automation)].find(({ action }) => action === 'tts.speak');
    assert.deepEqual(Object.keys(speak?.['data'] as Fields), ['media_player_entity_id', 'message']);
  });

  it('lets somebody choose up to which age a weigh-in is said, and takes an hour where nobody does', () => {
    const { blueprint, variables, conditions } = parse('say-the-weight.yaml');
    const { max_age: maxAge } = (blueprint as { readonly input: Readonly<Record<string, Fields>> }).input;
    assert.equal(maxAge?.['default'], 1);
    assert.deepEqual(variables, { max_age_hours: new Input('max_age') });
    assert.match(JSON.stringify(conditions), /timedelta\(hours=max_age_hours\)/);
  });

  it('says the kilograms that MQTT_CHANNEL has, of every weight there is', () => {
    const { blueprint, actions } = parse('say-the-weight.yaml') as Record<'blueprint' | 'actions', Fields>;
    const { sentence } = blueprint['input'] as Readonly<Record<string, Fields>>;
    assert.equal(sentence?.['default'], '{{ name }}: {{ weight }} kilograms');
    const [weight] = [...mappings(actions)].flatMap((fields) => fields['weight'] ?? []);
    // A filter binds before `/`; the numbers of Jinja are those of Python, and these are the same here.
    assert.equal(weight, '{{ (trigger.to_state.attributes.weight_kg * 10 + 0.5) | int / 10 }}');
    for (let grams = 2_000; grams <= 300_000; grams += 5) {
      const kilograms = grams / 1_000;
      assert.equal((Math.trunc(kilograms * 10 + 0.5) / 10).toFixed(1), sentOf(kilograms).plain, `${kilograms}`);
    }
  });

  it('calls a person without a name what the device is called', () => {
    for (const name of ['say-the-weight.yaml', 'automation.yaml']) {
      const uses = read(name).match(/to_state\.attributes\.name\b[^}]*/g) ?? [];
      assert.deepEqual(uses, ["to_state.attributes.name or device_attr(trigger.entity_id, 'name') "]);
    }
  });

  it('is about entities that there are', () => {
    const options = {
      userId: ANNA,
      name: 'Anna',
      unit: 'kg',
      topics: TOPICS,
      version: '1',
    } as const;
    const { components } = JSON.parse(
      devicePayload({ ...options, quantities: ['weight', 'fat_ratio', 'muscle_mass'] }),
    );
    const known = Object.values<Fields>(components).map((component) => component['default_entity_id']);
    for (const name of ['automation.yaml', 'card.yaml']) {
      parse(name);
      const used = [...read(name).matchAll(/\b(sensor|binary_sensor|event)\.anna_[a-z_]+/g)];
      assert.ok(used.length > 1);
      for (const [entity] of used) assert.ok(known.includes(entity), entity);
    }
  });
});
