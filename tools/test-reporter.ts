import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { relative, resolve } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/**
 * The report of `npm test` if the output is not a terminal: each failure in full, and a line for every 100 tests. Then
 * follow the slowest files, all failures in short, and leftovers in the directory for temporary files. The runner's own
 * summary is last.
 */
const PROGRESS = 100;
const SLOWEST = 10;
/** The number of last lines to print of a file that did not finish. */
const LAST_LINES = 40;
/** The runner counts a test that exceeds its limit as cancelled. */
const OUTCOMES: Readonly<Record<string, string>> = {
  testTimeoutFailure: 'timed out',
  cancelledByParent: 'cancelled',
  testAborted: 'cancelled',
};
const SUMMARY = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) \d/;

type Data<Type> = Extract<TestEvent, { type: Type }>['data'];
type Failure = Data<'test:fail'>;
type Passed = Data<'test:pass'>;
type Printed = Data<'test:stdout' | 'test:stderr'>;

// biome-ignore lint/style/noDefaultExport: the runner asks for it
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string, void> {
  const run = watchRun();
  for await (const event of events) yield run.note(event);
  yield run.slowest();
  yield run.failures();
  const left = await readdir(tmpdir());
  if (left.length > 0) yield `\n${describeLeft(left)}\n`;
  yield run.summary();
}

function watchRun() {
  const startedAt = performance.now();
  /** The tests that are being reported, from the outermost suite on. */
  const names: string[] = [];
  const printed = new Map<string, string>();
  const files: { readonly path: string; readonly ms: number }[] = [];
  const failures: string[] = [];
  const summary: string[] = [];
  let tests = 0;

  const keep = ({ file, message }: Printed) => {
    const lines = `${printed.get(file) ?? ''}${message}`.split('\n');
    printed.set(file, lines.slice(-LAST_LINES - 1).join('\n'));
  };

  const describeFailure = (data: Failure) => {
    const path = here(data.file);
    const line = `${outcomeOf(data)}: ${isFile(data) ? path : [path, ...names.slice(0, data.nesting + 1)].join(' > ')}\n`;
    failures.push(line);
    const text = isFile(data) ? printed.get(data.file ?? '') : undefined;
    return `\n${line}${(text ?? stacks(data.details.error)).replace(/^(?=.)/gm, '  ').trimEnd()}\n`;
  };

  const countTest = ({ file, details }: Passed | Failure) => {
    if (details.type === 'suite') return '';
    tests += 1;
    if (tests % PROGRESS !== 0) return '';
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    return `${tests} tests, ${failures.length} not passed, ${seconds} s, at ${here(file)}\n`;
  };

  return {
    /** Returns what there is to print at once. */
    note({ type, data }: TestEvent): string {
      switch (type) {
        case 'test:start':
          names.splice(data.nesting, names.length, data.name);
          return '';
        case 'test:stdout':
        case 'test:stderr':
          keep(data);
          return '';
        case 'test:complete':
          if (isFile(data)) files.push({ path: here(data.file), ms: data.details.duration_ms });
          return '';
        case 'test:pass':
          return countTest(data);
        case 'test:fail':
          return (isFailure(data) ? describeFailure(data) : '') + countTest(data);
        case 'test:diagnostic':
          if (!SUMMARY.test(data.message)) return `# ${data.message}\n`;
          summary.push(`# ${data.message}\n`);
          return '';
        default:
          return '';
      }
    },
    slowest() {
      const slowest = files.toSorted((one, other) => other.ms - one.ms).slice(0, SLOWEST);
      const lines = slowest.map(({ path, ms }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${path}\n`);
      return `\nThe slowest of ${files.length} files:\n${lines.join('')}`;
    },
    failures: () => (failures.length > 0 ? `\nNot passed:\n${failures.join('')}` : ''),
    summary: () => `\n${summary.join('')}`,
  };
}

/** Names the leftovers in the directory for temporary files, which `npm test` starts empty. */
export function describeLeft(names: readonly string[]): string {
  return `left in the directory for temporary files: ${names.join(', ')}`;
}

/** A suite fails with its tests, which are reported themselves. */
function isFailure({ details }: Failure): boolean {
  return failureType(details.error) !== 'subtestsFailed';
}

function outcomeOf({ details }: Failure): string {
  return OUTCOMES[failureType(details.error)] ?? 'failed';
}

function failureType(error: Error): string {
  return 'failureType' in error ? String(error.failureType) : '';
}

/** The runner's own event of a file has the path as its name. */
function isFile({ name, file }: { readonly name: string; readonly file?: string | undefined }): boolean {
  return file !== undefined && resolve(name) === file;
}

function here(file: string | undefined): string {
  return file === undefined ? '' : relative(process.cwd(), file);
}

/** An error of the runner adds nothing to its cause. */
function stacks(error: Error): string {
  return stacksOf(error.cause ?? error);
}

/** The message with the stack, and those of the causes. */
function stacksOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : inspect(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stacksOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
