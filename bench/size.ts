import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measureInstalled, ROOT } from '../test/support/packed.ts';
import type { Bench } from './bench.ts';
import { round } from './samples.ts';
import { atMost, type Row } from './table.ts';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dependencies?: Readonly<Record<string, string>> }>>;
}

/** Measures the size of an installation, next to one of Express alone. */
export async function measureSize({ installed }: Bench): Promise<readonly Row[]> {
  const ours = await measureInstalled(installed);
  const express = await measureExpress();
  return [
    {
      what: 'installed size',
      ours: `${round(ours.megabytes)} MB, ${ours.files.length} files`,
      floor: `${round(express.megabytes)} MB, ${express.files} files Express`,
      aim: atMost(ours.megabytes, 3, 'MB'),
    },
    {
      what: 'installed packages',
      ours: `${ours.packages}`,
      floor: `${express.packages} Express`,
      aim: atMost(ours.packages, 5, ''),
    },
  ];
}

async function measureExpress() {
  const lock: Lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const found = new Set<string>();
  const add = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    for (const name of Object.keys(lock.packages[path]?.dependencies ?? {})) add(resolve(lock, path, name));
  };
  add('node_modules/express');
  const measured = await Promise.all([...found].map((path) => measureInstalled(join(ROOT, path), { nested: false })));
  return {
    packages: found.size,
    files: measured.reduce((sum, { files }) => sum + files.length, 0),
    megabytes: measured.reduce((sum, { megabytes }) => sum + megabytes, 0),
  };
}

/** Finds the nearest package, as Node does. */
function resolve({ packages }: Lock, from: string, name: string): string {
  for (let at = from; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = `${at}/node_modules/${name}`;
    if (packages[path] !== undefined) return path;
  }
  return `node_modules/${name}`;
}
