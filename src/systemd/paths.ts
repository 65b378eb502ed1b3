/** The paths of the service's files. */
export interface ServicePaths {
  readonly unit: string;
  /** The directory of `env` and of all other credentials. */
  readonly settings: string;
  /** The settings, a whole `.env` file. */
  readonly env: string;
  /** `StateDirectory`: tokens and data. systemd keeps it for the dynamic user. */
  readonly state: string;
}

export const SERVICE_NAME = 'weighbridge';

/** The name of the credential that is a whole `.env` file. */
export const ENV_CREDENTIAL = 'env';

/** @param root a prefix of each path, for the files of another machine */
export function servicePaths(root: string): ServicePaths {
  const settings = `${root}/etc/weighbridge`;
  return {
    unit: `${root}/etc/systemd/system/${SERVICE_NAME}.service`,
    settings,
    env: `${settings}/${ENV_CREDENTIAL}`,
    state: `${root}/var/lib/weighbridge`,
  };
}

export const SERVICE = servicePaths('');

/** Settings of the unit itself. They override the file: the service writes nowhere else. */
export const ENVIRONMENT_IN_STATE = { TOKENS_DIR: './tokens', DATA_DIR: './data' } as const;
