import { once } from 'node:events';
import { printable } from '../domain/notification.ts';
import type { UserId } from '../domain/token.ts';
import { realClock } from '../runtime/real-clock.ts';
import { CONSENT_PATH } from '../sandbox/consent.ts';
import { CONTROL_PATH } from '../sandbox/control.ts';
import { imagine } from '../sandbox/demo/history.ts';
import { PEOPLE, weighInOf } from '../sandbox/demo/people.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../sandbox/sandbox.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

const CLIENT = { clientId: 'sandbox-client', clientSecret: 'sandbox-client-secret' };
const SCOPE = 'user.info,user.metrics,user.activity,user.sleepevents';
/** The time from the scale to Withings. */
const UPLOAD_SECONDS = 60;

interface SandboxCommandOptions {
  readonly port?: number;
  readonly people?: ReadonlyMap<UserId, string>;
}

/** Runs a Withings on loopback, for the development of a client, until it is stopped. */
export async function playSandbox(shell: Shell, options: SandboxCommandOptions): Promise<ExitCode> {
  const named = options.people ?? new Map(PEOPLE.map(({ userId, name }) => [userId as string as UserId, name]));
  const people = [...named].map(([userId, name]) => ({ userId, name }));
  const onCall: SandboxOptions['onCall'] = ({ path, form }, { status, error = '' }) =>
    shell.say(`${path} ${printable(form.get('action') ?? '')} ${status} ${error}`.trim());
  await using sandbox = await start({ clock: realClock, client: CLIENT, people, onCall, port: options.port ?? 0 });
  for (const [at, { userId }] of people.entries()) remember(sandbox, userId, at);

  const [first] = people;
  const { href, origin } = sandbox.url;
  const consent = new URL(CONSENT_PATH, href);
  consent.search = `response_type=code&client_id=${CLIENT.clientId}&scope=${SCOPE}&state=STATE&redirect_uri=REDIRECT_URI`;
  shell.print(`API            ${origin}`);
  shell.print(`consent page   ${consent.href}`);
  shell.print(`control page   ${origin}${CONTROL_PATH}`);
  shell.print(`client id      ${CLIENT.clientId}`);
  shell.print(`client secret  ${CLIENT.clientSecret}`);
  if (first !== undefined) {
    const { accessToken } = sandbox.grants.start(first.userId, SCOPE);
    shell.print(`example        curl -H 'Authorization: Bearer ${accessToken}' -d action=getmeas ${origin}/measure`);
  }
  shell.say('Press Ctrl-C to stop. The sandbox stores nothing.');
  if (!shell.signal.aborted) await once(shell.signal, 'abort');
  return ExitCode.done;
}

async function start(options: SandboxOptions): Promise<Sandbox> {
  return await startSandbox(options).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new ExitError(ExitCode.failed, `port ${options.port} is already in use. Choose another port with --port.`);
  });
}

/** Stores two years of weigh-ins. */
function remember(sandbox: Sandbox, userId: UserId, at: number): void {
  const someone = PEOPLE.find((each) => each.userId === userId) ?? PEOPLE[at % PEOPLE.length] ?? PEOPLE[0];
  const life = { ...someone, userId, model: 'Body+' };
  for (const { takenAt, measures } of imagine(life, realClock.now())) {
    const date = takenAt.getTime() / 1000;
    const weighIn = weighInOf(life, { kilograms: measures['weight'] ?? life.kilograms, date });
    sandbox.store(userId, weighIn, date + UPLOAD_SECONDS);
  }
}
