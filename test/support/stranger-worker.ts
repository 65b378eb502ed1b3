import { parentPort, workerData } from 'node:worker_threads';
import { postForAWhile } from './stranger.ts';

/** A thread of its own, so that what it does delays nothing that is measured in the other. */
parentPort?.postMessage(await postForAWhile(workerData));
