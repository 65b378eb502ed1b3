import { type Clock, isPeriodOver } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import { type Scale, type ScaleSource, tellLow } from '../../domain/scale.ts';
import type { UserId } from '../../domain/token.ts';
import type { PersonStates } from '../status/person-states.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';

const ASK_EVERY_MS = 24 * 3_600_000;

/** Keeps the scales of each person, with their batteries. */
export interface Scales {
  /**
   * Fetches a person's scales once a day. Call it after a successful fetch. Never fails, and a refusal does not count
   * against the login: without an answer the stored scales stay.
   */
  follow(userId: UserId): Promise<void>;
}

export function createScales(ports: {
  readonly accessTokens: Pick<AccessTokens, 'get'>;
  readonly source: ScaleSource;
  readonly personStates: Pick<PersonStates, 'of' | 'change'>;
  /** All linked people. */
  readonly household: () => Promise<readonly UserId[]>;
  readonly people: People;
  readonly clock: Clock;
  readonly log: Log;
}): Scales {
  const { accessTokens, source, personStates, household, people, clock, log } = ports;
  /** For two people with one scale, the second sees what the first logged. */
  const inTurn = createKeyedMutex();

  const isToldOf = async ({ id }: Scale) => {
    for (const userId of await household()) {
      const { scales } = await personStates.of(userId);
      if (scales.some((scale) => scale.id === id && scale.battery === 'low')) return true;
    }
    return false;
  };

  const learn = async (userId: UserId, found: readonly Omit<Scale, 'seenAt'>[]) => {
    const seenAt = clock.now();
    const before = new Map((await personStates.of(userId)).scales.map((scale) => [scale.id, scale]));
    const scales = found.map((scale) => {
      const { battery, lastContact } = before.get(scale.id) ?? scale;
      return {
        ...scale,
        battery: scale.battery ?? battery,
        lastContact: scale.lastContact ?? lastContact,
        seenAt,
      };
    });
    for (const scale of scales) {
      if (scale.battery !== 'low' || (await isToldOf(scale))) continue;
      const text = `${nameOf(userId, people)}: ${tellLow(scale)}`;
      log.warn({ event: 'battery_low', text, userid: userId, deviceid: scale.id, model: scale.model });
    }
    await personStates.change(userId, (state) => ({ ...state, scales }));
  };

  return {
    async follow(userId) {
      try {
        const { scalesAskedAt } = await personStates.of(userId);
        if (!isPeriodOver(scalesAskedAt, ASK_EVERY_MS, clock.now())) return;
        // This comes before the call: a process killed on the way does not call a second time.
        await personStates.change(userId, (state) => ({ ...state, scalesAskedAt: clock.now() }));
        // The previous fetch proved the token. A refusal is about this call, and a new token would not help.
        const accessToken = await accessTokens.get(userId, { urgent: false });
        const found = await source.getScales({ userId, accessToken, urgent: false });
        await inTurn('scales', () => learn(userId, found));
      } catch (error) {
        const why = error instanceof Error ? error.message : error;
        log.debug({
          event: 'scales_unknown',
          text: `cannot fetch the scales of user ${userId}: ${why}`,
          userid: userId,
        });
      }
    },
  };
}
