import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FuzzInput } from './fuzz-inputs.ts';

export interface RawAnswer {
  readonly statuses: readonly number[];
  /** The end of a connection: the port closed it, the client left, or no program accepted it. */
  readonly end: 'cut off' | 'left' | 'unreachable';
}

/** The time to wait for another answer. */
const MORE_MS = 20;

/** Sends an input over a connection of its own, and reads what comes until there is an end or patience has one. */
export async function sendRaw(
  port: number,
  { pieces, pauseMs, ending }: FuzzInput,
  patience: { readonly silenceMs: number; readonly totalMs: number },
): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  const state = { connected: false, left: false, text: '' };
  const leave = () => {
    state.left = true;
    socket.destroy();
  };
  socket.once('timeout', leave);
  const deadline = setTimeout(leave, patience.totalMs);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // A stranger is cut off in the middle of a word. What counts is how the connection ended, and that is read below.
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    state.text += chunk.toString('latin1');
    if (ending === 'wait') socket.setTimeout(MORE_MS);
  });
  socket.once('connect', async () => {
    state.connected = true;
    socket.setTimeout(patience.silenceMs);
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await sleep(pauseMs);
      if (socket.destroyed || !socket.writable) return;
      socket.write(piece, 'latin1');
    }
    if (ending === 'end') socket.end();
    if (ending === 'reset') socket.resetAndDestroy();
  });
  await closed;
  clearTimeout(deadline);
  const end = state.connected ? (state.left || ending === 'reset' ? 'left' : 'cut off') : 'unreachable';
  return { statuses: [...state.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)), end };
}
