import { ExitCode, ExitError } from '../shell.ts';

/** The person at the keyboard stopped the set-up, which is not an error. */
export class Stopped extends ExitError {
  constructor() {
    super(ExitCode.failed);
  }
}
