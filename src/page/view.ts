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

/** Everything that the page says, at one moment. */
export interface PageView {
  readonly now: Date;
  readonly version: string;
  readonly range: Range;
  readonly unit: WeightUnit;
  readonly status: Status;
  readonly histories: Histories;
  /** What is wrong with the set-up, as far as it shows without asking anyone. */
  readonly concerns: readonly Concern[];
  /** What is registered with Withings, and where Withings calls; undefined where weighbridge polls. */
  readonly callbackUrl: string | undefined;
  /** How often weighbridge polls where Withings cannot call. */
  readonly pollMs: number;
  /** How often it checks everything, also where Withings calls. */
  readonly reconcileMs: number;
  /** After the consent the browser comes back to weighbridge. */
  readonly answersRedirect: boolean;
  /** `STATUS_LINK`: people may link from here. */
  readonly offersLink: boolean;
  /** Where a person links: `PATHS.link`, or Withings' consent page itself. */
  readonly linkUrl: string;
  /** The page takes the address that the browser ended on, where it does not come back. */
  readonly pastes: boolean;
  /** The newest fetch of past years that the page asked for. */
  readonly backfill: BackfillRun | undefined;
}

export interface Concern {
  /** It does not work at all. */
  readonly isBroken: boolean;
  readonly text: string;
  readonly remedy: string | undefined;
}

/** Where things are on the private port. */
export const PATHS = {
  page: '/',
  /** Redirects to Withings' consent page. */
  link: '/link',
  /** Takes the address that the browser ended on. */
  pasted: '/pasted',
  /** Fetches the past years of a person, by POST: `/backfill/USERID`. */
  backfill: '/backfill/',
  /** Tells by server-sent events that the page has changed. */
  changes: '/changes',
  /** Every weigh-in of a person, as CSV: `/csv/USERID`. */
  csv: '/csv/',
  /** Of the style sheet, the script and the icon: `/assets/NAME`. */
  assets: '/assets/',
} as const;

/** How the page refers to them: its address may be longer by what a proxy in front cuts off. */
export const relative = (path: string): string => `.${path}`;

/** What the page loads besides itself. */
export const ASSETS = ['page.css', 'page.js', 'icon.svg'] as const;
