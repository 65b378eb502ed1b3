import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorCode, Trouble } from '../../domain/trouble.ts';

/** All public authorities of the web in one file take a quarter of that. */
const MOST_BYTES = 1024 * 1024;

/** Paths of PEM files. They are read at every connection, because they may be renewed. */
export interface CertificateFiles {
  /** The certificate of the authority that signed the broker's certificate. */
  readonly caFile: string | undefined;
  /** Our own certificate and its key, for a broker that requires one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface Certificates {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** @throws Trouble that names the setting */
export async function readCertificates({ caFile, certFile, keyFile }: CertificateFiles): Promise<Certificates> {
  const [ca, cert, key] = await Promise.all([
    read('MQTT_CA_FILE', 'the certificate of a certificate authority', caFile),
    read('MQTT_CERT_FILE', 'the certificate of weighbridge', certFile),
    read('MQTT_KEY_FILE', 'the private key of that certificate', keyFile),
  ]);
  if (cert !== undefined && key !== undefined) checkPair(cert, key, { certFile, keyFile });
  return { ca, cert, key };
}

async function read(setting: string, what: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readRegular(path);
  } catch (error) {
    const hint = `Set ${setting} to ${what}: a PEM file that this user can read.`;
    const code = setting.toLowerCase();
    throw new Trouble(`cannot read ${path} (${errorCode(error) ?? messageOf(error)})`, {
      code,
      recovery: 'settings',
      hint,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Rejects a FIFO or a device, which may never end, and a file larger than any chain of certificates. */
async function readRegular(path: string): Promise<Buffer> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await handle.stat();
  if (!stats.isFile()) throw new Error('not a regular file');
  if (stats.size > MOST_BYTES) throw new Error(`too large: ${stats.size} bytes`);
  return await handle.readFile();
}

function checkPair(
  cert: Buffer,
  key: Buffer,
  { certFile, keyFile }: Pick<CertificateFiles, 'certFile' | 'keyFile'>,
): void {
  const fault = (message: string, hint: string) =>
    new Trouble(message, { code: 'mqtt_cert_file', recovery: 'settings', hint });
  try {
    createSecureContext({ cert });
  } catch (error) {
    const hint = 'The file must start with -----BEGIN CERTIFICATE-----.';
    throw fault(`${certFile} is not a PEM certificate (${errorCode(error) ?? error})`, hint);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
      const hint = 'Set MQTT_CERT_FILE and MQTT_KEY_FILE to a certificate and its own key.';
      throw fault(`${keyFile} is not the key of ${certFile}`, hint);
    }
    const hint =
      'Set MQTT_KEY_FILE to a PEM private key without a passphrase. "openssl pkey -in KEY -out NEW" removes a passphrase.';
    throw fault(`weighbridge cannot use the key ${keyFile} (${code ?? error})`, hint);
  }
}
