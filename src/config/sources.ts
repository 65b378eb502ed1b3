import { existsSync, readdirSync } from 'node:fs';
import { parse } from 'dotenv';
import { errorCode } from '../domain/trouble.ts';
import { ENV_CREDENTIAL } from '../systemd/paths.ts';
import { readSmallFile } from './small-file.ts';

/** Settings by their names, as one source has them. */
export type Source = Readonly<Record<string, string | undefined>>;

/** Settings that may stand in a file of their own, which `NAME_FILE` names. */
export const SECRET_NAMES = ['WITHINGS_CLIENT_SECRET', 'STATUS_PASSWORD', 'MQTT_PASSWORD'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

/**
 * Makes one source of several, the strongest first. A secret and the file that holds it are one setting: the one that
 * the stronger source has hides both of the weaker source.
 */
export function mergeSources(...sources: readonly Source[]): Source {
  return sources.reduceRight((weaker, source) => {
    const isSet = (name: string) => Boolean(source[name]?.trim());
    const hidden = SECRET_NAMES.map((name) => [name, `${name}_FILE`]).filter((both) => both.some(isSet));
    const left = Object.entries(weaker).filter(([name]) => !hidden.flat().includes(name));
    return { ...Object.fromEntries(left), ...source };
  }, {});
}

/** A file of settings; empty where there is none. One that cannot be read is reported, and counts as empty. */
export function readDotenv(path: string, warn: (line: string) => void): Source {
  try {
    return parse(readSmallFile(path));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') warn(`warning: cannot read ${path}: ${error}`);
    return {};
  }
}

/** What stands in a directory of credentials: secrets, each in a file of its own, and a whole `.env`. */
export function readCredentials(directory: string | undefined, warn: (line: string) => void): readonly Source[] {
  if (directory === undefined || !existsSync(directory)) return [];
  return [secretCredentials(directory, readdirSync(directory)), readDotenv(`${directory}/${ENV_CREDENTIAL}`, warn)];
}

/**
 * What the credentials of systemd set, each a file that holds one secret: under the name of the setting, or under its
 * short name, such as `client_secret`.
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
