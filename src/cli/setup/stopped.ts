import { ExitCode, ExitError } from '../shell.ts';

/** The person at the keyboard has stopped the set-up, which is no error. */
export class Stopped extends ExitError {
  constructor() {
    super(ExitCode.failed);
  }
}
