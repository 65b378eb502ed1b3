import type { BackfillRun } from '../domain/backfill.ts';
import type { WeightUnit } from '../domain/format.ts';
import type { Histories } from '../domain/history.ts';
import type { Status } from '../domain/status.ts';

/** How much of the past the pictures show. */
export const RANGES = ['month', 'quarter', 'year', 'all'] as const;
export type Range = (typeof RANGES)[number];

export const RANGE_NAMES: Readonly<Record<Range, string>> = {
  month: '1 month',
  quarter: '3 months',
  year: '1 year',
  all: 'All',
};

export function readRange(text: string | null): Range {
  return RANGES.find((range) => range === text) ?? 'quarter';
}

/** The content of the page at one moment. */
export interface PageView {
  readonly now: Date;
  readonly version: string;
  readonly range: Range;
  readonly unit: WeightUnit;
  readonly status: Status;
  readonly histories: Histories;
  /** The problems of the set-up that show without any connection. */
  readonly concerns: readonly Concern[];
  /** The URL that is registered with Withings, which gets the notifications. Undefined if weighbridge polls. */
  readonly callbackUrl: string | undefined;
  /** How often weighbridge polls if Withings cannot send notifications. */
  readonly pollMs: number;
  /** How often it fetches everything, even with notifications. */
  readonly reconcileMs: number;
  /** After the consent the browser comes back to weighbridge. */
  readonly answersRedirect: boolean;
  /** `STATUS_LINK`: people may link from here. */
  readonly offersLink: boolean;
  /** The address for linking: `PATHS.link`, or Withings' consent page itself. */
  readonly linkUrl: string;
  /** The page takes the browser's final address, if the browser does not come back. */
  readonly pastes: boolean;
  /** The newest fetch of past years that the page started. */
  readonly backfill: BackfillRun | undefined;
}

export interface Concern {
  /** This part of the set-up does not work at all. */
  readonly isBroken: boolean;
  readonly text: string;
  readonly remedy: string | undefined;
}

/** The paths of the status port. */
export const PATHS = {
  page: '/',
  /** Redirects to Withings' consent page. */
  link: '/link',
  /** Takes the browser's final address. */
  pasted: '/pasted',
  /** Fetches the past years of a person, by POST: `/backfill/USERID`. */
  backfill: '/backfill/',
  /** Sends server-sent events when the page changes. */
  changes: '/changes',
  /** Every weigh-in of a person, as CSV: `/csv/USERID`. */
  csv: '/csv/',
  /** The style sheet, the script and the icon: `/assets/NAME`. */
  assets: '/assets/',
} as const;

/** The path as the page writes it: the browser's address may have a prefix that a proxy removes. */
export const relative = (path: string): string => `.${path}`;

/** The files that the page loads. */
export const ASSETS = ['page.css', 'page.js', 'icon.svg'] as const;
