import { Appli } from './notification.ts';

const METRICS = 'user.metrics';
const SLEEP_EVENTS = 'user.sleepevents';

/** The scope that Withings' developer guide asks for each category. */
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

/** What a login must be allowed for these categories. */
export function scopesOf(applis: readonly number[]): readonly string[] {
  return [...new Set(applis.flatMap((appli) => SCOPES[appli] ?? []))];
}

/**
 * What of that a person has not granted.
 *
 * @param granted as Withings lists it, comma-separated; nothing is missing where it is not known
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
