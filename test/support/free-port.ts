import { once } from 'node:events';
import { createServer } from 'node:net';

/** The ports are below the ephemeral range, so that no other program gets one in between. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** The same port for every life of the daemon, as at home. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
