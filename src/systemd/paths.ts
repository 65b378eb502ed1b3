/** Where the service has its things. */
export interface SystemPaths {
  readonly unit: string;
  /** `env` is there, and what else is a credential. */
  readonly settings: string;
  /** `StateDirectory`: tokens and data. systemd keeps it for the user that it makes up. */
  readonly state: string;
}

export const SERVICE_NAME = 'weighbridge';

/** The name of the credential that is a whole `.env` file. */
export const ENV_CREDENTIAL = 'env';

/** @param root what stands in front of each path, for another machine's files */
export function systemPaths(root: string): SystemPaths {
  return {
    unit: `${root}/etc/systemd/system/${SERVICE_NAME}.service`,
    settings: `${root}/etc/weighbridge`,
    state: `${root}/var/lib/weighbridge`,
  };
}

export const SERVICE = systemPaths('');

/** Settings of the unit itself, whatever the file says: the service writes nowhere else. */
export const ENVIRONMENT_IN_STATE = { TOKENS_DIR: './tokens', DATA_DIR: './data' } as const;
