import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { lowBatteries, type Scale, scalesOfHousehold } from '../../src/domain/scale.ts';
import { ANNA, BO } from '../support/people.ts';

const at = (hour: string) => new Date(`2026-11-20T${hour}:00:00Z`);
const scale = (changes: Partial<Scale> = {}): Scale => {
  const about = { id: 'b', model: 'Body+', battery: 'high', lastContact: undefined, seenAt: at('06') } as const;
  return { ...about, ...changes };
};

test('a scale of two people is one scale, with the newest description', () => {
  const [old, young] = [scale({ battery: 'low' }), scale({ seenAt: at('07') })];
  for (const [annas, bos] of [
    [old, young],
    [young, old],
  ] as const) {
    const people = [
      { userId: BO, scales: [bos, scale({ id: 'a' })] },
      { userId: ANNA, scales: [annas] },
    ];
    assert.deepEqual(scalesOfHousehold(people), [
      { ...scale({ id: 'a' }), userIds: [BO] },
      { ...young, userIds: [ANNA, BO] },
    ]);
    assert.deepEqual(lowBatteries(people), []);
  }
});

test('a low battery is reported once for all users of the scale', () => {
  const low = scale({ battery: 'low', model: undefined });
  const people = [ANNA, BO].map((userId) => ({ userId, scales: [low] }));
  assert.deepEqual(
    lowBatteries(people).map(({ text, scale: { userIds } }) => [text, userIds]),
    [['The battery of the scale is low. Replace or charge it.', [ANNA, BO]]],
  );
});
