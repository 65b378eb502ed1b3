import { nameAppli, type Subscriptions } from '../app/subscribe/subscriptions.ts';
import { makeDirectories, type WithingsConfig } from '../daemon/core.ts';
import { nameOf } from '../domain/household.ts';
import { retry, WHILE_WAITED_FOR } from '../domain/retry.ts';
import { isOurs, leadsTo, type Subscription } from '../domain/subscription.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble, explainAtEnd, type Trouble } from '../domain/trouble.ts';
import { realClock } from '../runtime/real-clock.ts';
import { openCommand, readPeople } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

type Work = (
  userId: UserId,
  subscriptions: Subscriptions,
  config: WithingsConfig & { readonly callbackUrl: string },
) => Promise<void>;

/** Subscribes to the missing notifications. */
export async function subscribe(shell: Shell, argument: string | undefined): Promise<ExitCode> {
  return await forEach(shell, argument, async (userId, subscriptions, { people, withings }) => {
    await subscriptions.repair(userId, { urgent: true });
    shell.say(
      `${nameOf(userId, people)}: subscribed to notifications about ${withings.applis.map(nameAppli).join(', ')}`,
    );
  });
}

/** Removes our subscriptions, of one person or of all, until they subscribe again. */
export async function unsubscribe(
  shell: Shell,
  argument: string | undefined,
  { all = false }: { readonly all?: boolean },
): Promise<ExitCode> {
  if (argument !== undefined && all) throw new ExitError(ExitCode.usage, 'Give a user id or --all, not both.');
  if (argument === undefined && !all)
    throw new ExitError(
      ExitCode.usage,
      'expected a user id, e.g. "weighbridge unsubscribe 1234", or --all for everyone',
    );
  return await forEach(shell, argument, async (userId, subscriptions, { people }) => {
    const { removed, left } = await subscriptions.remove(userId, { urgent: true });
    const name = nameOf(userId, people);
    shell.say(`${name}: ${removed === 0 ? 'no subscription to remove' : 'unsubscribed from notifications'}`);
    if (left > 0)
      shell.say(`${name}: ${left} old subscriptions are left. Run "weighbridge unsubscribe ${userId}" again.`);
  });
}

/** Prints the subscriptions at Withings. The secret in our own callback URL is not printed. */
export async function listSubscriptions(
  shell: Shell,
  argument: string | undefined,
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  return await forEach(shell, argument, async (userId, subscriptions, { people, callbackUrl }) => {
    const name = nameOf(userId, people);
    const found = await subscriptions.list(userId, { urgent: true });
    if (found.length === 0 && !options.json) shell.print(`${name}: no subscription`);
    for (const each of found) {
      const { appli, host, whose, ...rest } = describe(each, new URL(callbackUrl));
      const fields = { userid: userId, appli, host, ...rest };
      shell.print(options.json ? JSON.stringify(fields) : `${name}  ${nameAppli(appli)}  ${host}  ${whose}`);
    }
  });
}

function describe(subscription: Subscription, callbackUrl: URL) {
  const { appli, callbackUrl: url, comment } = subscription;
  const host = URL.canParse(url) ? new URL(url).host : '(no URL)';
  const ours = isOurs(subscription, callbackUrl);
  const current = leadsTo(subscription, callbackUrl);
  const whose = current ? 'this weighbridge' : ours ? 'this weighbridge, outdated' : 'another program';
  return { appli, host, ours, current, comment, whose };
}

/** Works for one person after the other. A failure for one does not stop the others. */
async function forEach(shell: Shell, argument: string | undefined, work: Work): Promise<ExitCode> {
  const { config, core } = openCommand(shell);
  const { url: callbackUrl } = config.callback;
  const subscriptions = core.callback?.subscriptions;
  if (subscriptions === undefined || callbackUrl === undefined)
    throw new ExitError(
      ExitCode.configuration,
      'CALLBACK_URL is required for notifications, e.g. CALLBACK_URL=https://me.example.org/withingsWebhook/9f2c',
    );
  await makeDirectories(config.directories);
  const people = await readPeople(shell, core.tokens, argument);
  let code: ExitCode = ExitCode.done;
  for (const userId of people) {
    try {
      const onWait = (_trouble: Trouble, waitMs: number) =>
        shell.say(`Withings limits how often it answers this request. Waiting ${Math.ceil(waitMs / 1000)} s…`);
      const options = { clock: realClock, signal: shell.signal, onWait, ...WHILE_WAITED_FOR };
      await retry(() => work(userId, subscriptions, { ...config, callbackUrl }), options);
    } catch (error) {
      if (shell.signal.aborted) return ExitCode.failed;
      shell.say(`error: ${nameOf(userId, config.people)}: ${explainAtEnd(asTrouble(error))}`);
      code = ExitCode.failed;
    }
  }
  return code;
}
