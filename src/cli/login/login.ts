import { realClock } from '../../runtime/real-clock.ts';
import { openCommand } from '../open-command.ts';
import { ExitCode, ExitError, type Shell } from '../shell.ts';
import { linkByBrowser } from './by-browser.ts';
import { linkByEither } from './by-either.ts';
import { linkByHand } from './by-hand.ts';
import { findDaemon } from './find-daemon.ts';
import type { Bringer, LinkedPerson } from './linking.ts';
import { showLink } from './show-link.ts';
import { sayNext, sayWithoutRedirect } from './words.ts';

const LINK = { browser: linkByBrowser, hand: linkByHand, either: linkByEither };

export interface LoginOptions {
  /** Withings' own demo account instead of a person's. */
  readonly demoUser?: boolean;
  /** The person pastes the redirected address, because the browser cannot come back. */
  readonly paste?: boolean;
  readonly subscribe: boolean;
}

/** Links one person: prints the consent link, and handles the redirect. */
export async function login(shell: Shell, options: LoginOptions): Promise<ExitCode> {
  const { paste, ...others } = options;
  const linked = await linkPerson(shell, { ...others, by: paste ? 'hand' : 'browser' });
  if (linked === undefined) return ExitCode.failed;
  sayNext(shell, linked);
  return ExitCode.done;
}

export interface LinkOptions extends Pick<LoginOptions, 'demoUser' | 'subscribe'> {
  readonly by: Bringer;
}

/** @returns undefined if no person was linked; the reason is printed */
export async function linkPerson(shell: Shell, options: LinkOptions): Promise<LinkedPerson | undefined> {
  const { config, core, log } = openCommand(shell);
  const { callback } = core;
  if (callback === undefined) {
    const message = 'CALLBACK_URL or REDIRECT_URL is required to link a person. Run "weighbridge setup".';
    throw new ExitError(ExitCode.configuration, message);
  }
  const { demoUser = false, subscribe } = options;
  const by = config.callback.answersRedirect ? options.by : 'hand';
  const { link, id, expiresAt } = callback.consent.request({ demo: demoUser, subscribe });
  const waitMs = expiresAt.getTime() - realClock.now().getTime();
  const patience = AbortSignal.any([shell.signal, AbortSignal.timeout(waitMs)]);
  // A phone cannot open a page on this computer, and its address cannot be pasted here.
  const isForPhone = by === 'browser' && config.callback.url !== undefined;
  const show = () => showLink(shell, link, { isForPhone });
  const isDaemon = by !== 'browser' && (await findDaemon(config, patience)) === 'here';
  const linking = { shell, config, core, callback, subscribe, log, by, isDaemon, id, show, patience };
  const linked = await LINK[by](linking);
  if (linked === undefined) sayWithoutRedirect(shell, by);
  return linked;
}
