import { type Callback, type Core, makeDirectories, type WithingsConfig } from '../../daemon/core.ts';
import type { Linked, LinkOutcome } from '../../domain/link.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import type { Shell } from '../shell.ts';

/** Who brings the address that the browser ends on: the browser, the person at the keyboard, or whichever comes first. */
export type Bringer = 'browser' | 'hand' | 'either';

/** What linking one person works with. */
export interface Linking {
  readonly shell: Shell;
  readonly config: WithingsConfig;
  readonly core: Core;
  readonly callback: Callback;
  readonly subscribe: boolean;
  readonly log: Log;
  readonly by: Bringer;
  /** A daemon is running here, which goes on with a person who is linked by hand. */
  readonly isDaemon: boolean;
  /** Of the consent link that is shown. */
  readonly id: string;
  readonly show: () => Promise<void>;
  /** Aborts when the link is too old, or the program is asked to stop. */
  readonly patience: AbortSignal;
}

/** What is known of a person who has just been linked; a daemon that answers the browser keeps the outcome to itself. */
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
