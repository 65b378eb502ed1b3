import { existsSync } from 'node:fs';
import { chmod, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

type Manifest = Readonly<Record<string, unknown>> & { readonly repository: string; readonly files: readonly string[] };

/** npm always includes these files. */
const ALWAYS = ['README.md', 'LICENSE'];

/**
 * Writes the folder that the tarball is made of. The paths in it are those of the project, because the program finds
 * its own files from where it stands.
 */
export async function writePackage(root: string, directory: string): Promise<void> {
  const manifest: Manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  await rm(directory, { recursive: true, force: true });
  const left = manifest.files.filter((path) => path.startsWith('!')).map((path) => path.slice(1));
  const filter = (source: string) => !left.includes(relative(root, source));
  for (const path of [...manifest.files, ...ALWAYS].filter((each) => !each.startsWith('!'))) {
    await cp(join(root, path), join(directory, path), { recursive: true, filter });
  }
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(shippedManifest(manifest), null, 2)}\n`);
  await makeLinksWork(directory, manifest.repository);
  await levelModes(directory);
}

/** Rewrites the documents of the package. */
async function makeLinksWork(directory: string, repository: string): Promise<void> {
  const isShipped = (path: string) => existsSync(join(directory, path));
  for (const name of await readdir(directory, { recursive: true })) {
    if (!name.endsWith('.md')) continue;
    const path = join(directory, name);
    const text = await readFile(path, 'utf8');
    await writeFile(path, shippedDocument(text, { path: name, repository, isShipped }));
  }
}

/** Returns a document whose links to files outside the package lead to the repository. */
export function shippedDocument(
  text: string,
  at: { readonly path: string; readonly repository: string; readonly isShipped: (path: string) => boolean },
): string {
  return text.replaceAll(/(\]\(|\b(?:src|srcset|href)=")([^)\s"#]+)/g, (whole, before: string, link: string) => {
    const target = join(dirname(at.path), link);
    if (/^[a-z]+:/.test(link) || at.isShipped(target)) return whole;
    // GitHub shows a document as a page (blob), and sends the bytes of a picture (raw).
    return `${before}${at.repository}/${target.endsWith('.png') ? 'raw' : 'blob'}/main/${target}`;
  });
}

/** Returns `package.json` without the parts for builds and tests, because the bundle contains its imports. */
export function shippedManifest(manifest: Manifest): Readonly<Record<string, unknown>> {
  const { dependencies, devDependencies, scripts, private: _, files, repository, ...kept } = manifest;
  return {
    ...kept,
    repository: { type: 'git', url: `git+${repository}.git` },
    homepage: `${repository}#readme`,
    bugs: `${repository}/issues`,
  };
}

/** A tarball keeps modes, and the umask of the user who builds decides them. */
async function levelModes(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const isProgram = (await readFile(path, 'utf8')).startsWith('#!');
    await chmod(path, isProgram ? 0o755 : 0o644);
  }
}
