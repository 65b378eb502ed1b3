import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readSeal, seal, writeUnit } from '../../src/systemd/unit.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const SHIPPED = readFileSync(fileURLToPath(new URL('../../../deploy/weighbridge.service', import.meta.url)), 'utf8');
const [OLD, CURRENT] = [252, 257];
/** The loosest that is allowed: 2.0 of 10. */
const EXPOSURE = 20;

const { stdout, error } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
const version = Number(/^systemd ([0-9]+)/.exec(stdout ?? '')?.[1]);
const skip = error === undefined && version >= OLD ? false : 'this needs systemd-analyze of systemd 252 or later';

function linesOf(unit: string): readonly string[] {
  return unit.split('\n');
}

describe('the unit', () => {
  it('that is shipped equals the unit for a global installation', () => {
    const program = { node: '/usr/bin/node', script: '/usr/local/bin/weighbridge' };
    assert.equal(SHIPPED, writeUnit({ program, systemd: CURRENT }));
  });

  for (const systemd of [OLD, CURRENT]) {
    const lines = linesOf(writeUnit({ program: { node: '/usr/bin/node', script: '/opt/weighbridge' }, systemd }));

    it(`for systemd ${systemd} restarts without limit, but not with invalid settings`, () => {
      for (const line of ['Restart=always', 'StartLimitIntervalSec=0', 'RestartPreventExitStatus=78'])
        assert.ok(lines.includes(line), line);
    });

    it(`for systemd ${systemd} has a watchdog, starts after network and clock, and passes the settings`, () => {
      for (const line of ['Type=notify', 'WatchdogSec=3min', 'LoadCredential=env:/etc/weighbridge/env'])
        assert.ok(lines.includes(line), line);
      assert.ok(lines.includes('After=network-online.target time-sync.target'));
      assert.ok(!lines.some((line) => line.startsWith('MemoryDenyWriteExecute')), 'V8 writes what it executes');
    });
  }

  it('uses a socket that systemd passes, and only then accepts messages of the process alone', () => {
    const program = { node: '/usr/bin/node', script: '/opt/weighbridge' };
    const [old, current] = [OLD, CURRENT].map((systemd) => linesOf(writeUnit({ program, systemd })));
    assert.ok(old?.includes('NotifyAccess=all') && !old.some((line) => line.startsWith('OpenFile')));
    assert.ok(current?.includes('NotifyAccess=main') && current.some((line) => line.startsWith('OpenFile')));
  });

  it('quotes a path for systemd', () => {
    const script = '/opt/my "scale"/100%/$HOME/a\\b';
    const unit = writeUnit({ program: { node: '/usr/bin/node', script }, systemd: CURRENT });
    assert.ok(unit.includes('ExecStart=/usr/bin/node "/opt/my \\"scale\\"/100%%/$$HOME/a\\\\b" serve\n'), unit);
  });

  it('reports edits by hand', () => {
    const unit = seal(SHIPPED, '0.2.0');
    assert.deepEqual(readSeal(unit), { version: '0.2.0' });
    const withoutVersion = unit.replace('install" 0.2.0;', 'install";');
    assert.deepEqual(readSeal(withoutVersion), { version: undefined });
    for (const changed of [SHIPPED, `${unit}\n`, unit.replace('3min', '4min'), `# mine\n${unit}`, ''])
      assert.equal(readSeal(changed), undefined, changed);
  });

  it('is valid for systemd in every line', { skip }, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'weighbridge.service');
    await writeFile(file, writeUnit({ program: { node: process.execPath, script: '/bin/sh' }, systemd: version }));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    // systemd-analyze also checks the other units of the machine.
    const ours = (stdout + stderr).split('\n').filter((line) => line.includes('weighbridge'));
    assert.deepEqual([ours, status], [[], 0], stdout + stderr);
  });

  it('is sandboxed as far as Node allows', { skip }, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'weighbridge.service');
    for (const unit of [
      SHIPPED,
      writeUnit({ program: { node: '/usr/bin/node', script: '/bin/sh' }, systemd: version }),
    ]) {
      await writeFile(file, unit);
      const args = ['security', '--offline=true', `--threshold=${EXPOSURE}`, '--no-pager', file];
      const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
      assert.equal(status, 0, stdout + stderr);
    }
  });
});
