/** Settings by their names, as one place has them. */
export type Source = Readonly<Record<string, string | undefined>>;

/** A setting that may stand in a file of its own, which `NAME_FILE` names, and what systemd's credential is called. */
const SECRET_FILES = {
  WITHINGS_CLIENT_SECRET: 'client_secret',
  STATUS_PASSWORD: 'status_password',
  MQTT_PASSWORD: 'mqtt_password',
} as const;

export type SecretName = keyof typeof SECRET_FILES;
export const SECRET_NAMES: readonly SecretName[] = ['WITHINGS_CLIENT_SECRET', 'STATUS_PASSWORD', 'MQTT_PASSWORD'];

/**
 * Makes one source of several, the strongest first. A secret and the file that holds it are one setting: whichever the
 * stronger source has hides both of the weaker one.
 */
export function mergeSources(...sources: readonly Source[]): Source {
  let merged: Source = {};
  for (const source of sources.toReversed()) {
    const hidden = Object.keys(SECRET_FILES).flatMap((name) => {
      const both = [name, `${name}_FILE`];
      return both.some((each) => source[each]?.trim()) ? both : [];
    });
    const left = Object.entries(merged).filter(([name]) => !hidden.includes(name));
    merged = { ...Object.fromEntries(left), ...source };
  }
  return merged;
}

/**
 * What the credentials of systemd set, each a file that holds one secret: under the short name, or under that of the
 * setting.
 *
 * @param names the files in `directory`
 */
export function secretCredentials(directory: string, names: readonly string[]): Source {
  const found = Object.entries(SECRET_FILES).flatMap(([name, short]) => {
    const file = [name, short].find((each) => names.includes(each));
    return file === undefined ? [] : [[`${name}_FILE`, `${directory}/${file}`]];
  });
  return Object.fromEntries(found);
}
