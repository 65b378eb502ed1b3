import { once } from 'node:events';
import type { AddressInfo, LookupFunction } from 'node:net';
import { createServer } from 'node:tls';
import { certificateOf } from '../../src/doctor/network.ts';
import { fixture } from './fixture.ts';

/** Whose the certificates in test/fixtures/tls are. Nobody vouches for them, so whoever wants to trust one says so. */
export const TLS_NAME = 'me.example.org';

export interface TlsServer extends AsyncDisposable {
  /** What a client sees that asks for this name. */
  look(url: URL, options?: { readonly trusted?: boolean }): ReturnType<typeof certificateOf>;
}

/** A server on loopback that shakes hands and says nothing. */
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
