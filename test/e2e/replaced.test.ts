import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { listenTo, startAedes } from '../support/broker.ts';
import { browse } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, startHome } from '../support/home.ts';
import { writeScript } from '../support/hook-bench.ts';
import { until } from '../support/outbox-bench.ts';
import { ROOT } from '../support/packed.ts';
import { isComplaint } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** The changes of an update to the program files. */
const REPLACEMENTS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  'are gone': async () => undefined,
  'are those of another build': async (folder) => {
    await mkdir(join(folder, 'dist/bundle'), { recursive: true });
    await writeFile(join(folder, 'package.json'), '{}');
    await writeFile(join(folder, 'dist/bundle/weighbridge.cjs'), 'throw new Error("another build");');
  },
};

describe('a daemon whose own files', { concurrency: true }, () => {
  for (const [what, replace] of Object.entries(REPLACEMENTS)) {
    it(`${what} draws its first page, links, sends requests to Withings, reaches the broker and runs the hook`, async () => {
      await using place = await temporaryDirectory();
      const folder = join(place.path, 'weighbridge');
      await cp(join(ROOT, 'dist/package'), folder, { recursive: true });
      await using home = await startHome({ script: join(folder, 'dist/bundle/weighbridge.cjs') });
      await writeScript(join(home.directory, 'hook.sh'), 'cat >> heard');
      await using broker = await startAedes();
      await broker.stop();
      const [port, statusPort] = [await freePort(), await freePort()];
      await using daemon = await home.serve({
        PORT: `${port}`,
        STATUS_PORT: `${statusPort}`,
        CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}`,
        MQTT_URL: broker.url,
        HOOK_COMMAND: './hook.sh',
      });
      await daemon.line(({ event }) => event === 'loaded');

      await rm(folder, { recursive: true });
      await replace(folder);
      await broker.start();
      await using listener = await listenTo(broker.url);
      const page = `http://127.0.0.1:${statusPort}/`;
      const { status, text } = await browse(page);
      assert.equal(status, 200);
      for (const [, path = ''] of text.matchAll(/(?:href|src)="(\/[^"]+\.(?:css|js|svg)[^"]*)"/g)) {
        assert.equal((await fetch(new URL(path, page))).status, 200, path);
      }
      const linked = await browse(new URL('/link', page));
      assert.match(linked.text, /is linked/);
      const date = Math.floor(Date.now() / 1000) - 60;
      const [group] = home.sandbox.store('1234', { kilograms: 81.25, date });
      assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 }), 200);
      await daemon.reading(group?.grpid ?? 0);
      await listener.hears(({ topic }) => topic === 'weighbridge/1234/event');
      const heard = () => readFile(join(home.directory, 'heard'), 'utf8').catch(() => '');
      await until(async () => (await heard()).includes(`${group?.grpid}`));
      daemon.child.kill('SIGTERM');
      assert.equal((await daemon.exited).code, 0);
      const complaints = daemon.lines.filter(
        (line) => isComplaint(line) && line.event !== 'doctor' && line['code'] !== 'mqtt_unreachable',
      );
      assert.deepEqual(complaints, []);
    });
  }
});
