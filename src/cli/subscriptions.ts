import { nameAppli, type Subscriptions } from '../app/subscribe/subscriptions.ts';
import { makeDirectories, type WithingsConfig } from '../daemon/core.ts';
import { nameOf } from '../domain/household.ts';
import { retry, WHILE_WAITED_FOR } from '../domain/retry.ts';
import { isOurs, leadsTo } from '../domain/subscription.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble, explain, type Trouble } from '../domain/trouble.ts';
import { realClock } from '../runtime/real-clock.ts';
import { openCommand, readPeople } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

type Work = (
  userId: UserId,
  subscriptions: Subscriptions,
  config: WithingsConfig & { readonly callbackUrl: string },
) => Promise<void>;

/** Asks Withings to call about whatever is missing. */
export async function subscribe(shell: Shell, argument: string | undefined): Promise<ExitCode> {
  return await forEach(shell, argument, async (userId, subscriptions, { people, withings }) => {
    await subscriptions.repair(userId, { urgent: true });
    shell.say(`${nameOf(userId, people)}: Withings calls about ${withings.applis.map(nameAppli).join(', ')}`);
  });
}

/** Removes our subscriptions, until the person subscribes again. */
export async function unsubscribe(shell: Shell, argument: string | undefined): Promise<ExitCode> {
  return await forEach(shell, argument, async (userId, subscriptions, { people }) => {
    const { removed, left } = await subscriptions.remove(userId, { urgent: true });
    const rest = left === 0 ? '' : `; ${left} are left, so run "weighbridge unsubscribe" again`;
    const text = removed === 0 ? 'there was no subscription of ours' : `removed ${removed}${rest}`;
    shell.say(`${nameOf(userId, people)}: ${text}`);
  });
}

/** Prints whom Withings calls about what. The secret in our own callback URL is not printed. */
export async function listSubscriptions(
  shell: Shell,
  argument: string | undefined,
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  return await forEach(shell, argument, async (userId, subscriptions, { people, callbackUrl }) => {
    for (const each of await subscriptions.list(userId, { urgent: true })) {
      const host = URL.canParse(each.callbackUrl) ? new URL(each.callbackUrl).host : '(no URL)';
      const ours = isOurs(each, new URL(callbackUrl));
      const current = leadsTo(each, new URL(callbackUrl));
      const whose = current ? 'ours' : ours ? 'ours, outdated' : "somebody else's";
      const fields = { userid: userId, appli: each.appli, host, ours, current, comment: each.comment };
      shell.print(
        options.json
          ? JSON.stringify(fields)
          : `${nameOf(userId, people)}  ${nameAppli(each.appli)}  ${host}  ${whose}`,
      );
    }
  });
}

/** One after the other; who fails does not keep the others from their turn. */
async function forEach(shell: Shell, argument: string | undefined, work: Work): Promise<ExitCode> {
  const { config, core } = openCommand(shell);
  const { url: callbackUrl } = config.callback;
  const subscriptions = core.callback?.subscriptions;
  if (subscriptions === undefined || callbackUrl === undefined)
    throw new ExitError(ExitCode.configuration, 'CALLBACK_URL is required: Withings calls nobody without it');
  await makeDirectories(config.directories);
  const people = await readPeople(shell, core.tokens, argument);
  let code: ExitCode = ExitCode.done;
  for (const userId of people) {
    try {
      const onWait = (_trouble: Trouble, waitMs: number) =>
        shell.say(`Withings has just been asked; waiting ${Math.ceil(waitMs / 1000)} s…`);
      const options = { clock: realClock, signal: shell.signal, onWait, ...WHILE_WAITED_FOR };
      await retry(() => work(userId, subscriptions, { ...config, callbackUrl }), options);
    } catch (error) {
      if (shell.signal.aborted) return ExitCode.failed;
      shell.say(`error: ${nameOf(userId, config.people)}: ${explain(asTrouble(error))}`);
      code = ExitCode.failed;
    }
  }
  return code;
}
