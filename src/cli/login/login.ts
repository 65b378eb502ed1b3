import { realClock } from '../../runtime/real-clock.ts';
import { openCommand } from '../open-command.ts';
import { ExitCode, ExitError, type Shell } from '../shell.ts';
import { linkByBrowser } from './by-browser.ts';
import { linkByHand } from './by-hand.ts';
import type { LinkedPerson } from './linking.ts';
import { showLink } from './show-link.ts';
import { sayNext, sayWithoutRedirect } from './words.ts';

export interface LoginOptions {
  /** Withings' own demo account in place of a person's. */
  readonly demoUser?: boolean;
  /** The redirected address is typed in here, because the browser cannot come back by itself. */
  readonly paste?: boolean;
  readonly subscribe: boolean;
}

/** Links one person: prints the consent link, and takes care of what comes back. */
export async function login(shell: Shell, options: LoginOptions): Promise<ExitCode> {
  const linked = await linkPerson(shell, options);
  if (linked === undefined) return ExitCode.failed;
  sayNext(shell, linked);
  return ExitCode.done;
}

/** @returns undefined where no person was linked; why has been said */
export async function linkPerson(shell: Shell, options: LoginOptions): Promise<LinkedPerson | undefined> {
  const { config, core, log } = openCommand(shell);
  const { callback } = core;
  if (callback === undefined) {
    const message =
      'CALLBACK_URL is required, or REDIRECT_URL where Withings cannot call: the browser ends there after the consent';
    throw new ExitError(ExitCode.configuration, message);
  }
  const { demoUser = false, subscribe } = options;
  const paste = options.paste || !config.callback.answersRedirect;
  const { link, id, expiresAt } = callback.consent.request({ demo: demoUser, subscribe });
  const waitMs = expiresAt.getTime() - realClock.now().getTime();
  const patience = AbortSignal.any([shell.signal, AbortSignal.timeout(waitMs)]);
  const show = () => showLink(shell, link);
  const linking = { shell, config, core, callback, subscribe, log, id, show, patience };
  const linked = paste ? await linkByHand(linking) : await linkByBrowser(linking);
  if (linked === undefined) sayWithoutRedirect(shell, paste);
  return linked;
}
