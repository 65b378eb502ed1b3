import { readdir, readFile } from 'node:fs/promises';
import { group } from 'd3-array';

interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** The lines with the copyright, and what stands before them. */
  readonly notice: string;
  /** The rest: most packages have the same. */
  readonly permission: string;
}

const HEAD = `weighbridge comes with these packages in its bundle, each under its own licence.
`;

/**
 * Names every package that a bundle is made of, with the text of its licence.
 *
 * @param paths of the modules in the bundle, relative to the root
 * @throws where a package brings no licence
 */
export async function describeLicences(root: string, paths: readonly string[]): Promise<string> {
  const directories = new Set(paths.map(packageDirectory).filter((directory) => directory !== undefined));
  const packages = await Promise.all([...directories].map((directory) => readPackage(`${root}${directory}`)));
  const byName = new Map(packages.map((each) => [`${each.name} ${each.version}`, each]));
  const sorted = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  const alike = group(sorted, ({ permission }) => permission.replaceAll(/\s+/g, ' '));
  return [HEAD, ...[...alike.values()].map(describe)].join(`\n${'='.repeat(80)}\n\n`);
}

/** Returns the innermost `node_modules/NAME`; undefined for own modules. */
function packageDirectory(path: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
}

async function readPackage(directory: string): Promise<BundledPackage> {
  const { name, version, license } = JSON.parse(await readFile(`${directory}/package.json`, 'utf8'));
  const text = (await licenceFiles(directory)) || (await licenceSection(directory));
  if (text === '') throw new Error(`${name} ${version} brings no text of its licence`);
  const start = Math.max(text.indexOf('Permission is hereby granted'), 0);
  return { name, version, licence: license, notice: text.slice(0, start), permission: text.slice(start) };
}

async function licenceFiles(directory: string): Promise<string> {
  const files = (await readdir(directory)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
  return (await Promise.all(files.map((file) => readText(`${directory}/${file}`)))).join('\n\n');
}

/** Some old packages have the licence only at the end of their README. */
async function licenceSection(directory: string): Promise<string> {
  const readme = (await readdir(directory)).find((file) => /^readme/i.test(file));
  if (readme === undefined) return '';
  const [, section = ''] = /^(?:#+ )?licen[cs]e\n(?:-+\n)?(.*)/ims.exec(await readText(`${directory}/${readme}`)) ?? [];
  return section.includes('Permission is hereby granted') ? section.trim() : '';
}

async function readText(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replaceAll('\r\n', '\n').trim();
}

/** Formats packages with the same permission: each notice, and the permission once. */
function describe(packages: readonly BundledPackage[]): string {
  const notices = packages.map(({ name, version, licence, notice }) => `${name} ${version} (${licence})\n\n${notice}`);
  return `${[...notices.map((each) => each.trim()), packages[0]?.permission].join('\n\n')}\n`;
}
