import { once } from 'node:events';
import type { AddressInfo, LookupFunction } from 'node:net';
import { createServer } from 'node:tls';
import { certificateOf } from '../../src/doctor/network.ts';
import { fixture } from './fixture.ts';

/** The name in the certificates of test/fixtures/tls. They are self-signed, so tests name them as trusted. */
export const TLS_NAME = 'me.example.org';

export interface TlsServer extends AsyncDisposable {
  /** Returns the view of a client that requests this name. */
  look(url: URL, options?: { readonly trusted?: boolean }): ReturnType<typeof certificateOf>;
}

/** Starts a server on loopback that completes the TLS handshake and sends nothing. */
export async function startTlsServer(certificate: 'valid' | 'expired'): Promise<TlsServer> {
  const cert = fixture(`tls/${certificate}.pem`);
  const server = createServer({ cert, key: fixture('tls/key.pem') });
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => socket.on('error', () => undefined).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const lookup: LookupFunction = (_host, options, callback) =>
    options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);
  return {
    look: ({ hostname }, { trusted = false } = {}) =>
      certificateOf(new URL(`https://${hostname}:${port}`), { lookup, ...(trusted && { ca: cert }) }),
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
