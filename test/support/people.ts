import { strict as assert } from 'node:assert';
import type { MeasureGroup } from '../../src/domain/measure.ts';
import {
  type AccessToken,
  parseAccessToken,
  parseRefreshToken,
  parseUserId,
  type RefreshToken,
  type UserId,
} from '../../src/domain/token.ts';

export function userId(text: string): UserId {
  const parsed = parseUserId(text);
  assert(parsed !== undefined);
  return parsed;
}

export function refreshToken(text: string): RefreshToken {
  const parsed = parseRefreshToken(text);
  assert(parsed !== undefined);
  return parsed;
}

export function accessToken(text: string): AccessToken {
  const parsed = parseAccessToken(text);
  assert(parsed !== undefined);
  return parsed;
}

export const ANNA = userId('1234');
export const BO = userId('5678');

let nextGroup = 1;

/** A weigh-in of one group. */
export function weighIn(kilograms: number, takenAt: Date, changes: Partial<MeasureGroup> = {}): MeasureGroup {
  nextGroup += 1;
  return {
    groupId: nextGroup,
    attribution: 0,
    takenAt,
    modifiedAt: takenAt,
    deviceId: 'scale',
    model: 'Body+',
    timeZone: 'Europe/Vienna',
    measures: [{ type: 1, value: kilograms, position: undefined }],
    ...changes,
  };
}
