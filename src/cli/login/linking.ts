import { type Callback, type Core, makeDirectories, type WithingsConfig } from '../../daemon/core.ts';
import type { Linked, LinkOutcome } from '../../domain/link.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import type { Shell } from '../shell.ts';

/** The source of the redirected address: the browser, the person at the keyboard, or the first of both. */
export type Bringer = 'browser' | 'hand' | 'either';

/** The tools for linking one person. */
export interface Linking {
  readonly shell: Shell;
  readonly config: WithingsConfig;
  readonly core: Core;
  readonly callback: Callback;
  readonly subscribe: boolean;
  readonly log: Log;
  readonly by: Bringer;
  /** A daemon is running here. It continues with a person who is linked by hand. */
  readonly isDaemon: boolean;
  /** The id of the displayed consent link. */
  readonly id: string;
  readonly show: () => Promise<void>;
  /** Aborts when the link is too old, or the program stops. */
  readonly patience: AbortSignal;
}

/** The facts about a newly linked person. A daemon that answers the browser does not pass on the outcome. */
export type LinkedPerson = { readonly userId: UserId } & Partial<Linked>;

export async function openLinker(
  { config, core, callback }: Linking,
  onOutcome?: (id: string, outcome: LinkOutcome) => void,
) {
  await makeDirectories(config.directories);
  const journal = await core.openJournal();
  const collect = core.createCollect(journal, await core.openUnreadable());
  return callback.createLinker(journal, {
    fetch: async (userId) => void (await collect.since(userId, { urgent: true })),
    isDaemon: false,
    ...(onOutcome && { onOutcome }),
  });
}
