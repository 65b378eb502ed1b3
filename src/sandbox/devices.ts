import type { Battery } from '../domain/scale.ts';
import { type Answer, done, NOT_IMPLEMENTED } from './limits.ts';
import type { RawGroup } from './measures.ts';

/** The user service: the scales of a user, from the user's groups. */
export function createDevices(groupsOf: (userId: string) => readonly RawGroup[]) {
  const batteries = new Map<string, Battery>();

  const devicesOf = (userId: string) => {
    const byAge = [...groupsOf(userId)].sort((a, b) => a.created - b.created);
    const newest = new Map(byAge.map((group) => [group.deviceid, group]));
    newest.delete(null);
    return [...newest].map(([deviceid, { model, modelid: model_id, timezone, created: last_session_date }]) => {
      const first_session_date = byAge.find((each) => each.deviceid === deviceid)?.created;
      const about = { type: 'Scale', model, model_id, battery: batteries.get(userId) ?? 'high', timezone };
      return { ...about, deviceid, hash_deviceid: deviceid, first_session_date, last_session_date };
    });
  };

  return {
    call(userId: string, form: URLSearchParams): Answer {
      return form.get('action') === 'getdevice' ? done({ devices: devicesOf(userId) }) : NOT_IMPLEMENTED;
    },
    /** Sets the battery that a user's scales report from now on. */
    setBattery: (userId: string, battery: Battery): void => void batteries.set(userId, battery),
  };
}
