import { existsSync } from 'node:fs';
import { nameOf } from '../../domain/household.ts';
import { SERVICE } from '../../systemd/paths.ts';
import { findDaemon } from '../login/find-daemon.ts';
import type { LinkedPerson } from '../login/linking.ts';
import { linkPerson } from '../login/login.ts';
import { describeWeighIn } from '../login/words.ts';
import { ExitCode, ExitError, type Shell } from '../shell.ts';
import { takeClient } from './client.ts';
import { fetchHistory, listLinked, offerService, sayMissingScopes, takeBroker, takeNames } from './extras.ts';
import { openSession, type Session, type SetupOptions } from './session.ts';
import { Stopped } from './stopped.ts';
import { chooseWayIn, tryWayIn } from './way-in.ts';

/**
 * Asks for all settings, checks each answer at once and stores it in `.env`. It does not repeat answered questions, so
 * a stopped set-up continues where it was.
 */
export async function setUp(shell: Shell, options: SetupOptions): Promise<ExitCode> {
  try {
    return await takeAll(shell, options);
  } catch (error) {
    if (!(error instanceof Stopped || shell.signal.aborted)) throw error;
    const saved = existsSync('.env') ? 'Your answers are saved in .env.' : 'No answer is saved yet.';
    shell.say(`Stopped. ${saved} To continue, run "weighbridge setup" again.`);
    return ExitCode.failed;
  }
}

async function takeAll(shell: Shell, options: SetupOptions): Promise<ExitCode> {
  const isLeft = existsSync(SERVICE.unit) && !existsSync('.env');
  if (shell.service !== undefined || isLeft) throw new ExitError(ExitCode.failed, SERVICE_IS_HERE);
  const session = await openSession(shell, options);
  // This uses the settings of that daemon, which may change now.
  const wasRunning = (await findDaemon(session.config(), shell.signal)) === 'here';
  if (session.questions === undefined) demandOptions(session);
  else shell.say('Press Ctrl-C to stop at any question. The next "weighbridge setup" continues there.');
  const isNewUrl = await chooseWayIn(session);
  await takeClient(session, isNewUrl);
  const isReachable = await tryWayIn(session);
  const linked = await link(session, isReachable);
  if (linked === 'failed') return ExitCode.failed;
  await takeNames(session, linked?.userId);
  await takeBroker(session);
  const code = await fetchHistory(session, linked?.userId);
  if (code !== ExitCode.done) return code;
  if (linked !== undefined) sayLinked(session, linked);
  if (!wasRunning && !linked?.isDaemon) return await offerService(session);
  if (session.isChanged()) shell.say('Restart weighbridge to apply the new settings.');
  return ExitCode.done;
}

const SERVICE_IS_HERE = `weighbridge runs here as a service, with its settings in /etc/weighbridge/env.
Change them there, then run "sudo systemctl restart weighbridge". To link another person, run "sudo weighbridge login".`;

/** Without a terminal, every answer without a default must be an option. */
function demandOptions({ options, setting, config, shell }: Session): void {
  const { way, hostName, redirectUrl, clientId, clientSecret } = options;
  const hasWay = [way, hostName, redirectUrl, setting('CALLBACK_URL'), setting('REDIRECT_URL')].some(isGiven);
  const isClientKnown = config().withings.credentials !== undefined;
  const missing = {
    '--way': !hasWay,
    '--host-name (with --way none: --redirect-url)': !hasWay,
    '--host-name': isGiven(way) && way !== 'none' && !isGiven(hostName),
    '--redirect-url': !isGiven(redirectUrl) && way === 'none',
    '--client-id': !isClientKnown && ![clientId, setting('WITHINGS_CLIENT_ID')].some(isGiven),
    '--client-secret': !isClientKnown && ![clientSecret, setting('WITHINGS_CLIENT_SECRET')].some(isGiven),
  };
  const names = Object.entries(missing).flatMap(([name, isMissing]) => (isMissing ? [name] : []));
  if (names.length === 0) return;
  const { keyboard, env } = shell();
  const isDumb = keyboard !== undefined && env['TERM'] === 'dumb';
  const why = isDumb ? 'with TERM=dumb, setup cannot ask questions' : 'without a terminal, setup cannot ask questions';
  const message = `${why}. Add these options: ${names.join(', ')}`;
  throw new ExitError(ExitCode.usage, message);
}

function isGiven(value: string | undefined): boolean {
  return value !== undefined;
}

/** Links the first person, or another one if the person at the keyboard wants that. */
async function link(session: Session, isReachable: boolean): Promise<LinkedPerson | undefined | 'failed'> {
  const { options, questions, say } = session;
  const { length } = await listLinked(session);
  await sayMissingScopes(session);
  const message = `${length === 1 ? 'One person is' : `${length} people are`} linked. Link another person?`;
  const isWanted = options.link ?? (length === 0 || ((await questions?.confirm(message, false)) ?? false));
  if (!isWanted) return undefined;
  say('');
  // If Withings cannot reach this computer, only a browser on it comes back.
  const comesBack = isReachable && session.setting('CALLBACK_URL') !== undefined;
  const by = options.paste ? 'hand' : comesBack ? 'browser' : 'either';
  return (await linkPerson(session.shell(), { subscribe: true, by })) ?? 'failed';
}

/** Prints the result of the set-up at the end. */
function sayLinked({ config, say }: Session, { userId, lastWeighIn }: LinkedPerson): void {
  const { people } = config();
  const weighIn = lastWeighIn && ` ${describeWeighIn(lastWeighIn, people)}`;
  say(`${nameOf(userId, people)} is linked.${weighIn ?? ''}`);
}
