/** What every part of the measurement needs to know. */
export interface Bench {
  /** `weighbridge` as it is installed from the tarball. */
  readonly program: string;
  /** Where it is installed. */
  readonly installed: string;
  /** The least that a program and a daemon can be. */
  readonly floors: { readonly node: string; readonly express: string };
  /** How often a start is measured. */
  readonly rounds: number;
  /** A smoke test: everything once and briefly, figures worth nothing. */
  readonly quick: boolean;
}
