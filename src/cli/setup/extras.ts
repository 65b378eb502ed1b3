import { peopleIn } from '../../daemon/data-directory.ts';
import { checkBroker } from '../../doctor/publishers.ts';
import { nameOf } from '../../domain/household.ts';
import { lackOf, missingScopes } from '../../domain/scope.ts';
import type { UserId } from '../../domain/token.ts';
import { explain } from '../../domain/trouble.ts';
import { createPersonFiles } from '../../storage/person-files.ts';
import { createTokenFiles } from '../../storage/token-files.ts';
import { runProgram, systemdVersion } from '../../systemd/control.ts';
import { backfillUser } from '../backfill.ts';
import { installService } from '../service/install.ts';
import { ExitCode, ExitError } from '../shell.ts';
import { checkSetting, type Session, sayFinding } from './session.ts';

export async function listLinked(session: Session): Promise<readonly UserId[]> {
  const { tokens } = session.config().directories;
  return await createTokenFiles(tokens)
    .list()
    .catch(() => []);
}

/** Prints who must link again, because `APPLIS` needs more scopes than granted. */
export async function sayMissingScopes(session: Session): Promise<void> {
  const { directories, withings, people } = session.config();
  const states = createPersonFiles(peopleIn(directories.data));
  for (const userId of await listLinked(session)) {
    const missing = missingScopes((await states.load(userId)).scope, withings.applis);
    if (missing.length === 0) continue;
    session.say(`${nameOf(userId, people)}: ${explain(lackOf(missing))}`);
  }
}

/** Gets names for all people without one. An option names the person who was just linked. */
export async function takeNames(session: Session, linked: UserId | undefined): Promise<void> {
  const { options, questions } = session;
  for (const userId of await listLinked(session)) {
    const { names } = session.config().people;
    if (names.has(userId)) continue;
    const checkName = checkSetting('USER_NAMES', (text) => `${userId}:${text}`);
    const check = (name: string) => {
      if (name.includes(',')) return 'A name cannot contain a comma.';
      return name === '' ? undefined : checkName(name);
    };
    const given = userId === linked ? options.name : undefined;
    const name = given ?? (await questions?.text(`What is the name of user ${userId}? (Enter for none)`, check)) ?? '';
    const problem = check(name);
    if (problem !== undefined) throw new ExitError(ExitCode.usage, `--name: ${problem}`);
    const all = [...names, [userId, name]].map(([id, each]) => `${id}:${each}`);
    if (name !== '') await session.save({ USER_NAMES: all.join(',') });
  }
}

/** Gets a broker that accepts weighbridge's messages. */
export async function takeBroker(session: Session): Promise<void> {
  const { options, questions } = session;
  if (options.mqtt === false || (options.mqtt === undefined && session.setting('MQTT_URL') !== undefined)) return;
  const checkUrl = checkSetting('MQTT_URL');
  const check = (text: string) => (text === '' ? undefined : checkUrl(text));
  const message = 'MQTT broker, for Home Assistant and others, such as mqtt://192.168.1.2 (Enter for none):';
  for (let given: string | undefined = options.mqtt; ; given = undefined) {
    const url = given ?? (await questions?.text(message, check)) ?? '';
    if (url === '') return;
    const problem = check(url);
    if (problem !== undefined) throw new ExitError(ExitCode.usage, `--mqtt: ${problem}`);
    const changes = { MQTT_URL: url, ...(await takeBrokerLogin(session, given !== undefined)) };
    if (await acceptsMessages(session, changes)) return await session.save(changes);
    if (questions === undefined) throw new ExitError(ExitCode.failed);
  }
}

async function takeBrokerLogin(
  { options, questions }: Session,
  takesOptions: boolean,
): Promise<Record<string, string>> {
  const anything = () => undefined;
  const given = takesOptions ? options.mqttUsername : undefined;
  const username = given ?? (await questions?.text('User name at the broker (Enter for none):', anything)) ?? '';
  if (username === '') return {};
  const secret = takesOptions ? options.mqttPassword : undefined;
  const password = secret ?? (await questions?.secret('Password at the broker (Enter for none):', anything)) ?? '';
  return { MQTT_USERNAME: username, ...(password !== '' && { MQTT_PASSWORD: password }) };
}

async function acceptsMessages(session: Session, changes: Readonly<Record<string, string>>): Promise<boolean> {
  const config = session.trial(changes);
  if (config.mqtt === undefined) return false;
  const findings = await checkBroker(config.mqtt, session.shell().signal);
  for (const finding of findings) sayFinding(session, config, finding);
  return findings.every(({ mark }) => mark !== 'broken');
}

/** Fetches the weigh-ins of all past years, for the person who was just linked, or for everyone. */
export async function fetchHistory(session: Session, linked: UserId | undefined): Promise<ExitCode> {
  const people = linked === undefined ? await listLinked(session) : [linked];
  const { names } = session.config().people;
  for (const userId of people) {
    const message = `Fetch the weigh-ins of all past years for ${names.get(userId) ?? `user ${userId}`} now?`;
    const isWanted = session.options.history ?? (await session.questions?.confirm(message, true)) ?? false;
    const code = isWanted
      ? await backfillUser(session.shell(), userId, { since: undefined, until: undefined })
      : ExitCode.done;
    if (code !== ExitCode.done) return code;
  }
  return ExitCode.done;
}

/** Offers a way to run weighbridge from now on. */
export async function offerService(session: Session): Promise<ExitCode> {
  const { options, questions, say } = session;
  const shell = session.shell();
  const hasSystemd = (await systemdVersion(runProgram)) !== undefined;
  if (hasSystemd && shell.isRoot) {
    const isWanted =
      options.service ?? (await questions?.confirm('Run weighbridge at boot, as a service?', true)) ?? false;
    if (isWanted) return await installService(shell, {});
  }
  if (options.service === true)
    throw new ExitError(ExitCode.failed, '--service needs systemd, root, and a folder that belongs to root');
  say('Start weighbridge now with "weighbridge serve".');
  if (hasSystemd) say('To run weighbridge at boot as a service, run "sudo weighbridge service install".');
  return ExitCode.done;
}
