import { parentPort, workerData } from 'node:worker_threads';
import { postForAWhile } from './stranger.ts';

/** The worker has a thread of its own, so that it does not delay the measurements in the other. */
parentPort?.postMessage(await postForAWhile(workerData));
