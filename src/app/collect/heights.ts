import { type Clock, isPeriodOver } from '../../domain/clock.ts';
import { type Height, isHeight } from '../../domain/derived.ts';
import type { Log } from '../../domain/log.ts';
import { AMBIGUOUS, HEIGHT, type HeightSource, type MeasureGroup } from '../../domain/measure.ts';
import type { PersonState } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, passes } from '../../domain/trouble.ts';
import type { PersonStates } from '../status/person-states.ts';
import type { WithAccess } from '../tokens/access-tokens.ts';

const DAY_MS = 24 * 3_600_000;
/** How often weighbridge fetches the height. A newly entered one comes with the usual answers. */
const ASK_EVERY_MS = 7 * DAY_MS;
const RETRY_MS = DAY_MS;

/** Keeps the newest height of each person. Most people entered theirs once, years before weighbridge. */
export interface Heights {
  /** Takes the height from the groups of any answer. */
  learn(userId: UserId, groups: readonly MeasureGroup[]): Promise<void>;
  isDue(person: Pick<PersonState, 'heightAskedAt'>): boolean;
  /**
   * Costs one call. Removes a height that is gone. Never fails: without a height only the body mass index is missing.
   */
  ask(userId: UserId): Promise<void>;
}

/** @param ports.withAccess makes calls whose refusal does not count against the login */
export function createHeights(ports: {
  readonly withAccess: WithAccess;
  readonly source: HeightSource;
  readonly personStates: Pick<PersonStates, 'change'>;
  readonly clock: Clock;
  readonly log: Log;
}): Heights {
  const { withAccess, source, personStates, clock, log } = ports;

  const learn: Heights['learn'] = async (userId, groups) => {
    const found = newestIn(groups);
    if (found === undefined) return;
    await personStates.change(userId, (before) =>
      before.height !== undefined && before.height.takenAt > found.takenAt ? before : { ...before, height: found },
    );
  };
  const noteAsked = (userId: UserId, heightAskedAt: Date) =>
    personStates.change(userId, (before) => ({ ...before, heightAskedAt }));

  return {
    learn,
    isDue: ({ heightAskedAt }) => isPeriodOver(heightAskedAt, ASK_EVERY_MS, clock.now()),
    async ask(userId) {
      try {
        const { groups, unreadable, complete } = await withAccess(userId, { urgent: false }, source.getHeights);
        const found = newestIn(groups);
        const isWhole = complete && unreadable.length === 0;
        // Withings also answers without any height while sharing is paused.
        if (isWhole && found !== undefined)
          await personStates.change(userId, (before) => ({ ...before, height: found }));
        else await learn(userId, groups);
        await noteAsked(userId, clock.now());
      } catch (error) {
        const trouble = asTrouble(error);
        const text = `cannot fetch the height of user ${userId}: ${trouble.message}`;
        log.debug({ event: 'height_unknown', text, userid: userId });
        const againMs = passes(trouble) ? RETRY_MS : ASK_EVERY_MS;
        await noteAsked(userId, new Date(clock.now().getTime() - ASK_EVERY_MS + againMs));
      }
    },
  };
}

/** Also accepts a height entered when the account was made, as most people did. */
function newestIn(groups: readonly MeasureGroup[]): Height | undefined {
  let newest: Height | undefined;
  for (const { attribution, takenAt, measures } of groups) {
    if (attribution === AMBIGUOUS || (newest !== undefined && newest.takenAt > takenAt)) continue;
    const metres = measures.find(({ type, value }) => type === HEIGHT && isHeight(value))?.value;
    if (metres !== undefined) newest = { metres, takenAt };
  }
  return newest;
}
