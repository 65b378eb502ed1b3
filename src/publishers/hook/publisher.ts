import { type BedDelivery, describeBed } from '../../domain/bed.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Derived } from '../../domain/derived.ts';
import { nameOf, type People } from '../../domain/household.ts';
import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import { GIVEN_UP, type Parking, type Publisher } from '../../domain/publisher.ts';
import type { UserId } from '../../domain/token.ts';
import { errorCode, TOO_MANY_OPEN, Trouble } from '../../domain/trouble.ts';
import { bedJson, bedVariables, toJson, toVariables } from './payload.ts';
import { type End, runProgram, type SignalGroup } from './run.ts';

/** Speaking a sentence or calling a server takes seconds; a program that takes longer hangs. */
const TIME_LIMIT_MS = 30_000;
/** Time for a spoken sentence to end. */
const STOP_MS = 5_000;
const MINUTE_MS = 60_000;
/** The waits after each failure. Their sum is well below the hour after which the next readings are late. */
const WAITS_MS = [10_000, MINUTE_MS, 5 * MINUTE_MS];
/** After a reading was parked, the program is broken: the next readings wait less. */
const BROKEN_WAITS_MS = [10_000];
/** The program is missing, or may not be run. That is not a fault of the reading, which waits until it is fixed. */
const NOT_RUNNABLE = new Set(['ENOENT', 'EACCES', 'ENOTDIR', 'ENOEXEC', 'ELOOP', 'EPERM']);
/** The machine has no resources for another process. */
const OVERLOADED = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

export interface HookOptions {
  readonly command: readonly string[];
  /** The part of the daemon's environment that the program gets. */
  readonly environment: Readonly<Record<string, string>>;
  /** `HOOK_HELD`: it runs for held readings as well. */
  readonly hearsHeld: boolean;
  /** `HOOK_BED`: it runs for bed events as well. */
  readonly hearsBed: boolean;
  readonly people: People;
  readonly derived: (userId: UserId) => Promise<Derived>;
  readonly parking: Parking;
  readonly signalGroup: SignalGroup;
  readonly clock: Clock;
  readonly log: Log;
}

/** The reason to run the program: a reading, or a bed event. */
interface Occasion {
  /** A key that is the same for each try. */
  readonly key: string;
  /** The text for people. */
  readonly what: string;
  readonly json: string;
  readonly variables: Readonly<Record<string, string>>;
  /** The fields of its log lines. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The last delivery, and how often the program failed with it. */
interface Tried {
  key: string;
  failures: number;
}

/**
 * Runs a program for each reading, which the program gets on its standard input and in its environment. A reading with
 * which the program fails repeatedly is parked, and the next one follows.
 */
export function createHook({
  command,
  environment,
  hearsHeld,
  hearsBed,
  people,
  derived,
  parking,
  log,
  ...ports
}: HookOptions): Publisher {
  const [program = '', ...args] = command;
  const triedReading: Tried = { key: '', failures: 0 };
  const triedBed: Tried = { key: '', failures: 0 };
  const mutex = createKeyedMutex();
  let waits = WAITS_MS;

  /** Returns the problem, if any. */
  const run = async ({ json, variables, fields }: Occasion, signal: AbortSignal): Promise<string | undefined> => {
    const print = (level: 'info' | 'warn') => (line: string) =>
      log[level]({ event: 'hook', text: `hook: ${line}`, ...fields });
    const whole = {
      program,
      args,
      environment: { ...environment, ...variables },
      input: `${json}\n`,
      timeLimitMs: TIME_LIMIT_MS,
      onOutput: print('info'),
      onError: print('warn'),
    };
    try {
      const end = await runProgram(whole, { ...ports, signal });
      if (end.omittedLines > 0) print('warn')(`left out ${end.omittedLines} more lines`);
      return complaint(end);
    } catch (error) {
      return refusal(program, error);
    }
  };

  const attempt = async (occasion: Occasion, tried: Tried, signal: AbortSignal) => {
    if (occasion.key !== tried.key) Object.assign(tried, { key: occasion.key, failures: 0 });
    // Readings and bed events come in parallel, but the program runs once at a time.
    const problem = await mutex(program, () => run(occasion, signal));
    if (problem === undefined) {
      waits = WAITS_MS;
      return;
    }
    // The stop ended it.
    signal.throwIfAborted();
    const what = `${program} ${problem}, with ${occasion.what}`;
    const waitMs = waits[tried.failures];
    if (waitMs !== undefined) {
      tried.failures += 1;
      const wait = waitMs < MINUTE_MS ? `${waitMs / 1000} s` : `${waitMs / MINUTE_MS} min`;
      throw new Trouble(what, { code: 'hook_failed', recovery: 'retry', hint: `Next try in ${wait}.`, waitMs });
    }
    await parking.park(occasion.json);
    waits = BROKEN_WAITS_MS;
    const hint = `weighbridge kept the reading in ${parking.path}. Fix the program, then run it by hand with that line as its input.`;
    throw new Trouble(what, { code: GIVEN_UP, recovery: 'defect', hint });
  };

  return {
    name: 'hook',
    stopMs: STOP_MS,
    async deliver(delivery, signal) {
      if (delivery.kind === 'held' && !hearsHeld) return;
      const { userId, groupId, modifiedAt } = delivery.reading;
      const known = await derived(userId);
      const occasion = {
        key: `${delivery.kind} ${userId} ${groupId} ${modifiedAt.getTime()}`,
        what: `reading ${groupId} of ${nameOf(userId, people)}`,
        json: toJson(delivery, people, known),
        variables: toVariables(delivery, people, known),
        fields: { userid: userId, grpid: groupId },
      };
      await attempt(occasion, triedReading, signal);
    },
    ...(hearsBed && {
      async deliverBed(delivery: BedDelivery, signal: AbortSignal) {
        const { userId, at } = delivery.event;
        const occasion = {
          key: `${delivery.event.kind} ${userId} ${at.getTime()}`,
          what: `"${describeBed(delivery.event)}" of ${nameOf(userId, people)}`,
          json: bedJson(delivery, people),
          variables: bedVariables(delivery, people),
          fields: { userid: userId },
        };
        await attempt(occasion, triedBed, signal);
      },
    }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function complaint({ code, signal, timedOut }: End): string | undefined {
  if (timedOut) return `did not end within ${TIME_LIMIT_MS / 1000} s and was stopped`;
  if (code === 0) return undefined;
  return code === null ? `was stopped by ${signal}` : `ended with exit code ${code}`;
}

/** @throws Trouble if the error is not about the reading */
function refusal(program: string, error: unknown): string {
  const code = errorCode(error) ?? String(error);
  const message = `cannot run ${program} (${code})`;
  if (NOT_RUNNABLE.has(code)) {
    const hint = 'Set HOOK_COMMAND to a program that this user may run. weighbridge retries automatically.';
    throw new Trouble(message, { code: 'hook_not_runnable', recovery: 'settings', hint });
  }
  if (OVERLOADED.has(code)) {
    const hint =
      TOO_MANY_OPEN[code] ?? 'This computer cannot start another process. weighbridge retries automatically.';
    throw new Trouble(message, { code: 'hook_overloaded', recovery: 'retry', hint });
  }
  return `could not be run (${code})`;
}
