import { createHash } from 'node:crypto';
import type { BedEvent } from '../../domain/bed.ts';
import { decimal } from '../../domain/measure.ts';
import type { Delivery, Value } from '../../domain/publisher.ts';
import { weightChange, weightOf } from '../../domain/reading.ts';
import type { Scale } from '../../domain/scale.ts';
import { describePolling, isPolled, type PersonState } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import type { Message } from './packet.ts';

export const ONLINE = 'online';
export const OFFLINE = 'offline';
/** The one `event_type` of the event entity. */
export const WEIGH_IN = 'weigh_in';

const DEFAULT_PREFIX = 'weighbridge';

export type Topics = ReturnType<typeof createTopics>;

/** The topics of all messages. docs/mqtt.md has the same as a table. */
export function createTopics(prefix: string) {
  return {
    /** The id of this weighbridge among others at the same broker, for Home Assistant: of `[a-zA-Z0-9_-]`. */
    id: prefix === DEFAULT_PREFIX ? prefix : `${DEFAULT_PREFIX}_${hashOf(prefix).slice(0, 8)}`,
    status: `${prefix}/status`,
    value: (userId: UserId, key: string) => `${prefix}/${userId}/${key}`,
    health: (userId: UserId) => `${prefix}/${userId}/health`,
    event: (userId: UserId) => `${prefix}/${userId}/event`,
    inBed: (userId: UserId) => `${prefix}/${userId}/in_bed`,
    bedEvent: (userId: UserId) => `${prefix}/${userId}/bed_event`,
    scale: (id: string) => `${prefix}/scale/${id}`,
  };
}

/** A hash, because a prefix may contain letters that an id must not have. */
export function hashOf(prefix: string): string {
  return createHash('sha256').update(prefix).digest('hex');
}

/** The topics next to a person's quantities. */
const TAKEN: ReadonlySet<string> = new Set(['health', 'event', 'in_bed', 'bed_event']);

/** A person may have edited the journal by hand, and not every name can be a topic. */
export function isQuantity(key: string): boolean {
  return /^[a-z0-9_]{1,64}$/.test(key) && !TAKEN.has(key);
}

/** `{"value":81.25,"measured_at":"2026-11-20T06:01:02Z"}` */
export function valuePayload({ value, takenAt }: Value): string {
  return JSON.stringify({ value, measured_at: formatUtc(takenAt) });
}

/** Whether and how weigh-ins arrive, and the problem if they do not. */
export function problemPayload(
  person: PersonState,
  { hasCallback, pollMs }: { readonly hasCallback: boolean; readonly pollMs: number },
): string {
  const { needsLogin, subscription, linkedAt } = person;
  const isPolling = isPolled(person, hasCallback);
  const hitch = needsLogin ?? (hasCallback ? subscription?.hitch : undefined);
  const polling = isPolling && needsLogin === undefined ? describePolling(pollMs) : undefined;
  const reasons = [polling, hitch?.reason].filter((reason) => reason !== undefined);
  return JSON.stringify({
    needs_login: needsLogin !== undefined,
    subscription_lost: !isPolling && subscription?.hitch !== undefined,
    reason: reasons.length === 0 ? null : reasons.join(': '),
    since: hitch === undefined ? null : formatUtc(hitch.since),
    linked_at: linkedAt === undefined ? null : formatUtc(linkedAt),
  });
}

/**
 * Announces a fresh weigh-in without retain: the event with the whole reading, and the plain kilograms.
 *
 * @param channel the topic of the plain form
 */
export function weighInMessages(
  { reading, previousWeight }: Delivery,
  {
    topics,
    channel,
    name,
  }: { readonly topics: Topics; readonly channel: string | undefined; readonly name?: string | undefined },
): readonly Message[] {
  const kilograms = weightOf(reading);
  if (kilograms === undefined) return [];
  const payload = JSON.stringify({
    event_type: WEIGH_IN,
    weight_kg: kilograms,
    previous_weight_kg: previousWeight ?? null,
    change_kg: weightChange(reading, previousWeight) ?? null,
    measured_at: formatUtc(reading.takenAt),
    userid: reading.userId,
    name: name ?? null,
    grpid: reading.groupId,
    attrib: reading.attribution,
    deviceid: reading.deviceId ?? null,
    model: reading.model ?? null,
    measures: reading.measures,
  });
  const event = { topic: topics.event(reading.userId), payload, retain: false };
  return channel === undefined ? [event] : [event, { topic: channel, payload: plain(kilograms), retain: false }];
}

/** `{"in_bed":true,"since":"2026-11-20T21:41:00Z"}` */
export function bedPayload({ kind, at }: BedEvent): string {
  return JSON.stringify({ in_bed: kind === 'in_bed', since: formatUtc(at) });
}

/** `{"battery":"low","model":"Body+","last_contact":"2026-11-20T06:01:02Z"}` */
export function scalePayload({ battery, model, lastContact }: Scale): string {
  const last_contact = lastContact === undefined ? null : formatUtc(lastContact);
  return JSON.stringify({ battery: battery ?? null, model: model ?? null, last_contact });
}

/** Announces a fresh bed event without retain. */
export function bedMessage(
  { userId, kind, at, deviceId }: BedEvent,
  { topics, name }: { readonly topics: Topics; readonly name: string | undefined },
): Message {
  const event = { event_type: kind, at: formatUtc(at), userid: userId, name: name ?? null, deviceid: deviceId ?? null };
  return { topic: topics.bedEvent(userId), payload: JSON.stringify(event), retain: false };
}

/** `81.3`. Half a step rounds up, as on the scale. */
function plain(kilograms: number): string {
  return decimal(Math.round(decimal(kilograms, 1)), -1).toFixed(1);
}

/** Home Assistant requires an offset in every timestamp. */
function formatUtc(date: Date): string {
  return date.toISOString().replace(/\.[0-9]{3}Z$/, 'Z');
}
