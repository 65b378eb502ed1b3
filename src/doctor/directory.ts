import { constants } from 'node:fs';
import { access, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { People } from '../domain/household.ts';
import { parseUserId, type UserId } from '../domain/token.ts';
import { asTrouble } from '../domain/trouble.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from '../storage/files.ts';
import { fieldsOf, parseFields } from '../storage/json.ts';
import { lockFile } from '../storage/lock.ts';
import { broken, type Finding, findingOf, ok, warning } from './finding.ts';

export interface Directory {
  readonly check: 'tokens' | 'data';
  readonly path: string;
}

/** The name of the trial file. No token, cursor or journal has such a name. */
const TRIAL = '.doctor';

const MEGABYTE = 1_000_000;
const LITTLE_BYTES = 50 * MEGABYTE;
/** The journal of a year is a megabyte. Below this limit, other programs decide when the disk is full. */
const TOO_LITTLE_BYTES = 5 * MEGABYTE;

/** The numbers of statfs(2) for file systems in memory: tmpfs, ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** Checks everything that can be wrong with a directory. Writes a file into it, and removes the file. */
export async function checkDirectory(directory: Directory, files: FileSystem = nodeFiles): Promise<readonly Finding[]> {
  const { check, path } = directory;
  const misplaced = await findMisplaced(directory);
  if (misplaced !== undefined) return [misplaced];
  const findings: Finding[] = [];
  try {
    findings.push(...(await lookAtDirectory(directory)));
    const owner = await ownerBesideRoot(path);
    if (owner !== undefined) {
      const remedy = `Run doctor as the user that runs weighbridge: sudo -u '#${owner}' …`;
      return [...findings, warning(check, `skipped: ${ofAnother(path, owner)}`, remedy)];
    }
    await tryOut(directory, files);
    findings.push(...(await lookAtFiles(directory)));
    const room = inWords(await freeBytes(path));
    return findings.length > 0 ? findings : [ok(check, `${path} is writable; ${room} free`)];
  } catch (error) {
    const trouble = asTrouble(storageTrouble(`write to ${path}`, error));
    const isTold = trouble.code === 'disk_full' && findings.some(({ mark }) => mark === 'broken');
    return isTold ? findings : [...findings, findingOf(check, trouble)];
  }
}

const OPEN_TO_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;

/** The problems of a directory that show in a millisecond without writing anything. */
export async function lookAtDirectory({ check, path }: Directory): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const { mode } = await stat(path);
  // Others may see the names, and git makes such directories. Each file is readable only by its owner.
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    const text = `${path} can be written by other users of this computer (mode ${octal})`;
    findings.push(warning(check, text, `chmod 700 ${quoted(path)}`));
  }
  const { type } = await statfs(path);
  if (IN_MEMORY.has(type >>> 0)) {
    const setting = check === 'tokens' ? 'TOKENS_DIR' : 'DATA_DIR';
    const remedy = `Set ${setting} to a directory on the disk.`;
    findings.push(warning(check, `${path} is in memory, so a restart of this computer deletes it`, remedy));
  }
  const free = await freeBytes(path);
  if (free < LITTLE_BYTES) {
    const isTooLittle = free < TOO_LITTLE_BYTES;
    const text = `the disk of ${path} is ${isTooLittle ? 'full' : 'almost full'}: ${inWords(free)} free`;
    const remedy =
      'Free some space with "sudo apt clean" and "sudo journalctl --vacuum-size=50M". Run "df -h" to see the result.';
    findings.push((isTooLittle ? broken : warning)(check, text, remedy));
  }
  return findings;
}

/**
 * The owner of a directory, if it is not root and we are. Undefined otherwise. The owner could not read files that root
 * writes there, such as a rotated login.
 */
export async function ownerBesideRoot(path: string): Promise<number | undefined> {
  const { uid } = await stat(path);
  const ours = await stat('/proc/self').catch(() => undefined);
  return ours?.uid === 0 && uid !== 0 ? uid : undefined;
}

export function ofAnother(path: string, uid: number): string {
  return `${path} belongs to user ${uid}, who could not use files that root writes there`;
}

/** Finds a missing directory, or something else at its path. */
async function findMisplaced({ check, path }: Directory): Promise<Finding | undefined> {
  try {
    if ((await stat(path)).isDirectory()) return undefined;
    return broken(check, `${path} is a file`, 'Move the file away. weighbridge needs a directory here.');
  } catch (error) {
    if (!isMissing(error)) return findingOf(check, asTrouble(storageTrouble(`look at ${path}`, error)));
  }
  const remedy =
    'weighbridge creates the directory at its first start. If it is on a separate disk, mount the disk first.';
  if (await canBeMade(path)) return warning(check, `${path} is not there yet`, remedy);
  return broken(
    check,
    `${path} is not there, and this user cannot create it`,
    `sudo install -d -m 700 -o "$USER" ${quoted(path)}`,
  );
}

async function canBeMade(path: string): Promise<boolean> {
  const above = dirname(resolve(path));
  try {
    await access(above, constants.W_OK | constants.X_OK);
    return (await stat(above)).isDirectory();
  } catch (error) {
    return isMissing(error) && above !== dirname(above) && (await canBeMade(above));
  }
}

/** Writes a file like tokens and cursors: synced, renamed, the directory synced. Tokens are locked as well. */
async function tryOut({ check, path }: Directory, files: FileSystem): Promise<void> {
  const trial = `${path}/${TRIAL}`;
  try {
    await replaceFile(files, trial, 'weighbridge doctor\n', `write to ${path}`);
    if (check === 'tokens') {
      const lock = await lockFile(trial, AbortSignal.timeout(LOCK_PATIENCE_MS));
      await lock[Symbol.asyncDispose]();
    }
  } finally {
    await files.rm(trial, { force: true });
  }
}

/** Another doctor may hold the lock. */
const LOCK_PATIENCE_MS = 10_000;

async function lookAtFiles({ check, path }: Directory): Promise<readonly Finding[]> {
  const open: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === '.gitignore') continue;
    // A running daemon may have renamed it meanwhile.
    const found = await stat(`${path}/${entry.name}`).catch(() => undefined);
    if (found !== undefined && (found.mode & OPEN_TO_OTHERS) !== 0) open.push(entry.name);
  }
  const [first] = open;
  if (first === undefined) return [];
  const others = open.length === 1 ? '' : ` and ${open.length - 1} more`;
  const text = `${path}/${first}${others} can be read by other users of this computer`;
  return [warning(check, text, `chmod -R go= ${quoted(path)}`)];
}

/** The answer of a token call takes some hundred bytes. */
const LONGEST_LOGIN_BYTES = 64 * 1024;

/**
 * Files next to the logins that were meant as a login: `Anna`, `1234.txt`. weighbridge uses files named by a user id,
 * and ignores all others.
 */
export async function lookAtNames(
  { tokens, data }: { readonly tokens: string; readonly data: string },
  { names }: Pick<People, 'names'>,
): Promise<readonly Finding[]> {
  if (resolve(tokens) === resolve(data)) return [];
  const entries = (await readdir(tokens, { withFileTypes: true })).filter((entry) => entry.isFile());
  const strange = entries.filter(({ name }) => !name.startsWith('.') && parseUserId(name) === undefined);
  return await Promise.all(
    strange.map(async ({ name }) => {
      const path = `${tokens}/${name}`;
      const userId = await guessUserId(path, name, names);
      const text = `${path} is not used, because its name is not a user id`;
      if (userId !== undefined && !entries.some((each) => each.name === userId))
        return warning('tokens', text, `mv ${quoted(path)} ${quoted(`${tokens}/${userId}`)}`);
      const remedy =
        userId === undefined
          ? 'Rename it to the "userid" of the token response, or remove it.'
          : `User ${userId} is linked already. Remove the file if it is not needed.`;
      return warning('tokens', text, remedy);
    }),
  );
}

/** Guesses from the name of the file, the names of people, or the token answer in the file. */
async function guessUserId(path: string, name: string, names: People['names']): Promise<UserId | undefined> {
  const [start = ''] = name.split('.');
  const [named] = [...names].find(([, each]) => each.toLowerCase() === start.toLowerCase()) ?? [];
  return parseUserId(start) ?? named ?? (await userIdIn(path).catch(() => undefined));
}

async function userIdIn(path: string): Promise<UserId | undefined> {
  const { size } = await stat(path);
  const answer = size > LONGEST_LOGIN_BYTES ? {} : parseFields(await readFile(path, 'utf8'));
  return parseUserId(answer['userid'] ?? fieldsOf(answer['body'])['userid']);
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function inWords(bytes: number): string {
  return bytes < 1000 * MEGABYTE ? `${Math.floor(bytes / MEGABYTE)} MB` : `${Math.floor(bytes / (1000 * MEGABYTE))} GB`;
}

/** Quotes a text as one word of a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
