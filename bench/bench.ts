/** The input of every part of the measurement. */
export interface Bench {
  /** The path of `weighbridge` after the installation from the tarball. */
  readonly program: string;
  /** The folder of the installation. */
  readonly installed: string;
  /** The smallest possible program and the smallest possible daemon. */
  readonly floors: { readonly node: string; readonly express: string };
  /** The number of measured starts. */
  readonly rounds: number;
  /** A smoke test runs every part once and briefly, and its figures are worth nothing. */
  readonly quick: boolean;
}
