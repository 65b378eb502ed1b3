import { isPlausible } from '../domain/clock.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** HTTP dates are whole seconds, and an answer takes its time. */
const WORTH_TELLING_MS = 60_000;
/** Beyond this, signed calls and the end of an access token go wrong. */
const TOO_FAR_MS = 5 * 60_000;

const REMEDY =
  '"sudo timedatectl set-ntp true" sets it by the network; "timedatectl" says whether it has ("System clock synchronized: yes")';

/**
 * @param theirs what Withings' clock said at the same moment; undefined where it could not be asked
 */
export function judgeClock(now: Date, theirs: Date | undefined): Finding {
  const said = `${now.toISOString().slice(0, 19)}Z`;
  if (theirs === undefined) {
    if (!isPlausible(now)) return broken('clock', `says ${said}, which is in the past`, REMEDY);
    return ok('clock', `says ${said}, which may be right; Withings' clock could not be asked`);
  }
  const aheadMs = now.getTime() - theirs.getTime();
  const offMs = Math.abs(aheadMs);
  if (offMs <= WORTH_TELLING_MS) return ok('clock', `right to within ${Math.ceil(offMs / 1000)} s of Withings' clock`);
  const text = `${inWords(offMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} Withings' clock`;
  return offMs > TOO_FAR_MS ? broken('clock', text, REMEDY) : warning('clock', text, REMEDY);
}

function inWords(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 120) return `${Math.round(minutes)} min`;
  return minutes < 2 * 1440 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}
