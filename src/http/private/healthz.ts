import type { BedEvent } from '../../domain/bed.ts';
import { formatTime } from '../../domain/clock.ts';
import { derivedFields } from '../../domain/derived.ts';
import type { GroupState } from '../../domain/reading.ts';
import { type LowBattery, lowBatteries, type Scale } from '../../domain/scale.ts';
import {
  describePolling,
  isWell,
  type Moment,
  type PersonStatus,
  type PublisherStatus,
  type Status,
} from '../../domain/status.ts';

/** The answer of `/healthz`. Names and units are part of the contract; unknown values are null. */
export function encodeHealthz(status: Status, version: string) {
  const { startedAt, uptimeMs, people, publishers, troubles } = status;
  return {
    status: isWell(status) ? 'ok' : 'trouble',
    version,
    uptime_s: seconds(uptimeMs),
    started_at: time(startedAt),
    users: people.map(encodePerson),
    publishers: Object.fromEntries(publishers.map((each) => [each.name, encodePublisher(each)])),
    troubles: troubles.map(({ code, text, since, userId }) => ({ code, text, since: time(since), userid: userId })),
    warnings: lowBatteries(people).map(encodeWarning),
  };
}

/** An entry of `users`, also printed by `weighbridge users --json`. Weights are kilograms. */
export function encodePerson(person: PersonStatus) {
  const { login, lastContact, lastWeighIn, held, unreadable, subscription, scales, bed } = person;
  const { state, applis, since, reason, pollMs } = subscription;
  return {
    userid: person.userId,
    name: person.name ?? null,
    login: login.state,
    needs_login_since: login.state === 'needs_login' && login.since !== undefined ? time(login.since) : undefined,
    reason: 'reason' in login ? login.reason : undefined,
    last_notification: moment(person.lastNotification),
    last_contact: moment(lastContact),
    last_contact_age_s: lastContact === undefined ? null : seconds(lastContact.agoMs),
    last_weigh_in:
      lastWeighIn === undefined
        ? null
        : { weight: lastWeighIn.kilograms, date: time(lastWeighIn.takenAt), age_s: seconds(lastWeighIn.agoMs) },
    ...derivedFields(person.derived),
    held: { count: held.length, newest: encodeHeld(held.at(-1)) },
    unreadable,
    subscription: {
      state,
      applis,
      since: since === undefined ? null : time(since),
      reason: reason ?? null,
      mode: pollMs === undefined ? undefined : describePolling(pollMs),
      poll_interval_s: pollMs === undefined ? undefined : seconds(pollMs),
    },
    scales: scales.map(encodeScale),
    bed: encodeBed(bed),
  };
}

function encodeScale({ id, model, battery, lastContact }: Scale) {
  const last_contact = lastContact === undefined ? null : time(lastContact);
  return { deviceid: id, model: model ?? null, battery: battery ?? null, last_contact };
}

/** A warning does not turn the status into `trouble`. */
function encodeWarning({ code, text, scale }: LowBattery) {
  return { code, text, deviceid: scale.id, userids: scale.userIds };
}

/** The field is omitted before the first bed event. */
function encodeBed(bed: BedEvent | undefined) {
  return bed && { in_bed: bed.kind === 'in_bed', since: time(bed.at) };
}

function encodeHeld(group: GroupState | undefined) {
  if (group === undefined) return null;
  const { groupId, weight, takenAt, held } = group;
  return { grpid: groupId, weight: weight ?? null, date: time(takenAt), reason: held };
}

function encodePublisher({ state, since, problem, lastContact, behindBytes }: PublisherStatus) {
  return {
    state,
    since: since === undefined ? null : time(since),
    problem: problem ?? null,
    last_contact: moment(lastContact),
    behind_bytes: behindBytes ?? null,
  };
}

function moment(value: Moment | undefined): string | null {
  return value === undefined ? null : time(value.at);
}

function time(date: Date): string {
  return formatTime(date, undefined);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
