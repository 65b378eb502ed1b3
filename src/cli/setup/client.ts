import type { Config } from '../../config/config.ts';
import { createCore } from '../../daemon/core.ts';
import { asTrouble, explainAtEnd, type Trouble } from '../../domain/trouble.ts';
import { realClock } from '../../runtime/real-clock.ts';
import { openMessages } from '../open-command.ts';
import { ExitCode, ExitError } from '../shell.ts';
import type { Check } from './questions.ts';
import { answer, checkSetting, type Session } from './session.ts';

type Credentials = NonNullable<Config['withings']['credentials']>;
type Known = { readonly [Name in keyof Credentials]: string | undefined };

const NOTHING_KNOWN: Known = { clientId: undefined, clientSecret: undefined };

/**
 * Gets the client id and secret, as soon as Withings accepts them.
 *
 * @param isNewUrl the dashboard does not have the callback URL yet
 */
export async function takeClient(session: Session, isNewUrl: boolean): Promise<void> {
  const { options, questions, say } = session;
  const stored = session.config().withings.credentials;
  let known: Known = {
    clientId: options.clientId ?? session.setting('WITHINGS_CLIENT_ID'),
    clientSecret: options.clientSecret ?? stored?.clientSecret ?? session.setting('WITHINGS_CLIENT_SECRET'),
  };
  sayEntries(session, Object.values(known).includes(undefined), isNewUrl);
  for (;;) {
    const credentials = await complete(session, known);
    const trouble = await failureOf(session, credentials);
    if (trouble === undefined) {
      const { clientId, clientSecret } = credentials;
      if (clientId !== stored?.clientId || clientSecret !== stored.clientSecret)
        await session.save({ WITHINGS_CLIENT_ID: clientId, WITHINGS_CLIENT_SECRET: clientSecret });
      say('✓ Withings accepts the client id and the secret.');
      return;
    }
    if (trouble.code !== 'wrong_client')
      throw new ExitError(ExitCode.failed, `${explainAtEnd(trouble)} Then run "weighbridge setup" again.`);
    const wrong = 'Withings rejects the client id or the secret. Copy both again from the dashboard.';
    if (questions === undefined) throw new ExitError(ExitCode.configuration, wrong);
    say(wrong);
    known = NOTHING_KNOWN;
  }
}

async function complete(session: Session, known: Known): Promise<Credentials> {
  const checkId = checkWord('WITHINGS_CLIENT_ID');
  const checkSecret = checkWord('WITHINGS_CLIENT_SECRET');
  const preset = session.setting('WITHINGS_CLIENT_ID');
  const clientId = await answer(session, '--client-id', known.clientId, checkId, (ask, check) =>
    ask.text('Client id:', check, preset),
  );
  if (known.clientId === undefined) await session.save({ WITHINGS_CLIENT_ID: clientId });
  const clientSecret = await answer(session, '--client-secret', known.clientSecret, checkSecret, (ask, check) =>
    ask.secret('Client secret (also called consumer secret):', check),
  );
  return { clientId, clientSecret };
}

function checkWord(name: string): Check {
  const check = checkSetting(name);
  return (text) => (/\s/.test(text) ? 'Remove the space.' : check(text));
}

/** The failure of a signed call for a nonce, which involves no login. */
async function failureOf(session: Session, credentials: Credentials): Promise<Trouble | undefined> {
  const config = session.config();
  const shell = session.shell();
  const withCredentials = { ...config, withings: { ...config.withings, credentials } };
  const core = createCore(withCredentials, openMessages(shell, config), { clock: realClock, signal: shell.signal });
  return await core.client.checkCredentials().then(() => undefined, asTrouble);
}

function sayEntries(session: Session, isNewClient: boolean, isNewUrl: boolean): void {
  if (isNewClient) sayWhatToEnter(session);
  else if (isNewUrl) sayUrlToEnter(session);
}

/** Prints each field of the form, in its order. The callback URL has its own line, to be copied. */
function sayWhatToEnter(session: Session): void {
  for (const line of [
    '',
    'Create an application at https://developer.withings.com/dashboard with these entries:',
    '  Type of integration   Public API',
    '  Name, description     as you like, such as weighbridge',
    '  Environment           Development',
    '  Callback URL          copy the next line; the "Test" button may fail for now',
    urlOf(session),
    'Withings then shows a client id and a client secret.',
    '',
  ])
    session.say(line);
}

/** Prints the URL that the dashboard needs from now on. The URL has its own line, to be copied. */
export function sayUrlToEnter(session: Session): void {
  session.say('Enter this callback URL in the dashboard (https://developer.withings.com/dashboard):');
  session.say(urlOf(session));
}

function urlOf({ setting }: Session): string {
  return setting('CALLBACK_URL') ?? setting('REDIRECT_URL') ?? '';
}
