import { existsSync, readdirSync } from 'node:fs';
import { parse } from 'dotenv';
import { errorCode } from '../domain/trouble.ts';
import { ENV_CREDENTIAL } from '../systemd/paths.ts';
import { readSmallFile } from './small-file.ts';

/** The settings of one source, by name. */
export type Source = Readonly<Record<string, string | undefined>>;

/** Settings that may be in their own file, which `NAME_FILE` names. */
export const SECRET_NAMES = ['WITHINGS_CLIENT_SECRET', 'STATUS_PASSWORD', 'MQTT_PASSWORD'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

/**
 * Makes one source of several, the strongest first. A secret and its file are one setting: either of them in a stronger
 * source hides both in a weaker one.
 */
export function mergeSources(...sources: readonly Source[]): Source {
  return sources.reduceRight((weaker, source) => {
    const isSet = (name: string) => Boolean(source[name]?.trim());
    const hidden = SECRET_NAMES.map((name) => [name, `${name}_FILE`]).filter((both) => both.some(isSet));
    const left = Object.entries(weaker).filter(([name]) => !hidden.flat().includes(name));
    return { ...Object.fromEntries(left), ...source };
  }, {});
}

/** Reads a file of settings. A missing file is empty. An unreadable one is reported, and counts as empty. */
export function readDotenv(path: string, warn: (line: string) => void): Source {
  try {
    return parse(readSmallFile(path));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') warn(`warning: cannot read ${path}: ${error}`);
    return {};
  }
}

/** Reads a directory of credentials: secrets, each in its own file, and a whole `.env`. */
export function readCredentials(directory: string | undefined, warn: (line: string) => void): readonly Source[] {
  if (directory === undefined || !existsSync(directory)) return [];
  return [secretCredentials(directory, readdirSync(directory)), readDotenv(`${directory}/${ENV_CREDENTIAL}`, warn)];
}

/**
 * The settings from systemd's credentials. Each is a file with one secret, named by the setting, or by its short name,
 * such as `client_secret`.
 *
 * @param names the files in `directory`
 */
export function secretCredentials(directory: string, names: readonly string[]): Source {
  const found = SECRET_NAMES.flatMap((name) => {
    const short = name.replace('WITHINGS_', '').toLowerCase();
    const file = [name, short].find((each) => names.includes(each));
    return file === undefined ? [] : [[`${name}_FILE`, `${directory}/${file}`]];
  });
  return Object.fromEntries(found);
}
