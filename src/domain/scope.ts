import { Appli } from './notification.ts';

const METRICS = 'user.metrics';
const SLEEP_EVENTS = 'user.sleepevents';

/** The scope that Withings' developer guide requires for each category. */
const SCOPES: Readonly<Record<number, string>> = {
  [Appli.weight]: METRICS,
  [Appli.temperature]: METRICS,
  [Appli.bloodPressure]: METRICS,
  [Appli.profile]: 'user.info',
  [Appli.inBed]: SLEEP_EVENTS,
  [Appli.outOfBed]: SLEEP_EVENTS,
  [Appli.glucose]: METRICS,
  [Appli.heartRateVariability]: METRICS,
};

/** The scopes that a login needs for these categories. */
export function scopesOf(applis: readonly number[]): readonly string[] {
  return [...new Set(applis.flatMap((appli) => SCOPES[appli] ?? []))];
}

/**
 * The needed scopes that a person has not granted.
 *
 * @param granted Withings' list, comma-separated; if it is unknown, nothing counts as missing
 */
export function missingScopes(granted: string | undefined, applis: readonly number[]): readonly string[] {
  if (granted === undefined) return [];
  const scopes = granted.split(/[\s,]+/);
  return scopesOf(applis).filter((scope) => !scopes.includes(scope));
}

/** Why a person must link again. */
export function lackOf(missing: readonly string[]): { readonly message: string; readonly hint: string } {
  return {
    message: `the login lacks the scope ${missing.join(' and ')}, which APPLIS needs`,
    hint: 'Run "weighbridge login", and allow everything.',
  };
}
