import { once } from 'node:events';
import { startDaemon } from '../daemon.ts';
import { openLog, readSettings } from './settings.ts';
import { ExitCode, type Shell } from './shell.ts';

/** Runs the daemon until it is asked to stop. */
export async function serve(shell: Shell): Promise<ExitCode> {
  const config = readSettings(shell, 'withings');
  const credentials = config?.withings.credentials;
  if (config === undefined || credentials === undefined) return ExitCode.configuration;
  const log = openLog(shell, config);
  if (!config.callback.isPublic) {
    const text = 'CALLBACK_URL is not set: weighbridge listens, but Withings cannot know where';
    log.warn({ event: 'no_callback_url', text });
  }
  await using _daemon = await startDaemon({ ...config, withings: { ...config.withings, credentials } }, log);
  if (!shell.signal.aborted) await once(shell.signal, 'abort');
  log.info({ event: 'stopping', text: 'stopping' });
  return ExitCode.done;
}
