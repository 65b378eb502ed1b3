import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LocalAuthority } from './local-authority.ts';
import { SITE } from './local-authority.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
/** Debian's path for proxies is not in every user's PATH. */
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;

/** The proxies that Debian has. Each is set up by its recipe in deploy/. */
export const PROXIES = ['caddy', 'nginx'] as const;
export type ProxyName = (typeof PROXIES)[number];

export function isMissing(name: ProxyName): string | false {
  const asked = spawnSync(name, [name === 'caddy' ? 'version' : '-v'], { env: { PATH } });
  return asked.error === undefined ? false : `${name} is not installed`;
}

export interface ProxyOptions {
  /** A directory of its own. */
  readonly directory: string;
  readonly authority: LocalAuthority;
  /** The ports of the proxy with and without TLS, and of the daemon; those of the recipe if omitted. */
  readonly ports?: { readonly tls: number; readonly plain: number; readonly daemon: number };
  /** Other replacements in the recipe. */
  readonly changes?: Readonly<Record<string, string>>;
}

export interface FrontProxy extends AsyncDisposable {
  /** Returns all files that the proxy wrote, except its settings. */
  written(): string;
}

/** Starts the real proxy with its recipe, and resolves when it listens. */
export async function startProxy(name: ProxyName, options: ProxyOptions): Promise<FrontProxy> {
  const { directory } = options;
  mkdirSync(`${directory}/kept`);
  const [file, args, ready] = name === 'caddy' ? writeCaddyfile(options) : writeNginxConf(options);
  const child = spawn(name, args, { cwd: directory, env: { PATH, HOME: `${directory}/kept` }, stdio: 'pipe' });
  const output = await whenSaid(child, ready);
  return {
    written: () => output() + contentsOf(directory, file),
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGTERM')) await exited;
    },
  };
}

type Start = readonly [file: string, args: readonly string[], ready: RegExp];

function writeCaddyfile({ directory, authority, ports, changes }: ProxyOptions): Start {
  const { certificateFile, keyFile } = authority;
  const site = ports === undefined ? SITE : `${SITE}:${ports.tls}`;
  const recipe = adapt(readFileSync(`${DEPLOY}caddy/Caddyfile`, 'utf8'), {
    '\n{\n': '\n{\n\tadmin off\n\tauto_https disable_redirects\n',
    [`\n${SITE} {\n`]: `\n${site} {\n\tbind 0.0.0.0\n\ttls ${certificateFile} ${keyFile}\n`,
    ...(ports && { '127.0.0.1:3000': `127.0.0.1:${ports.daemon}` }),
    ...changes,
  });
  writeFileSync(`${directory}/Caddyfile`, recipe);
  return ['Caddyfile', ['run', '--config', `${directory}/Caddyfile`], /serving initial configuration/];
}

function writeNginxConf({ directory, authority, ports, changes }: ProxyOptions): Start {
  const { certificateFile, keyFile } = authority;
  const recipe = adapt(readFileSync(`${DEPLOY}nginx/weighbridge.conf`, 'utf8'), {
    [`/etc/letsencrypt/live/${SITE}/fullchain.pem`]: certificateFile,
    [`/etc/letsencrypt/live/${SITE}/privkey.pem`]: keyFile,
    '    listen [::]:80;\n': '',
    '    listen [::]:443 ssl;\n': '',
    ...(ports && {
      'listen 80;': `listen ${ports.plain};`,
      'listen 443 ssl;': `listen ${ports.tls} ssl;`,
      'http://127.0.0.1:3000': `http://127.0.0.1:${ports.daemon}`,
    }),
    ...changes,
  });
  const kept = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${directory}/kept/${what};`,
  );
  const conf = [
    'daemon off;',
    // nginx drops root, and then could not write to the directory.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'worker_processes 1;',
    `pid ${directory}/kept/pid;`,
    'error_log stderr notice;',
    'events {}',
    `http { access_log ${directory}/kept/access.log; ${kept.join(' ')} include ${directory}/weighbridge.conf; }`,
  ];
  writeFileSync(`${directory}/weighbridge.conf`, recipe);
  writeFileSync(`${directory}/nginx.conf`, conf.join('\n'));
  return ['weighbridge.conf', ['-c', `${directory}/nginx.conf`, '-e', 'stderr'], /start worker process /];
}

/** Replaces each text in a recipe exactly once, so that no change is lost. */
function adapt(recipe: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    const parts = text.split(from);
    assert.equal(parts.length, 2, `the recipe says ${JSON.stringify(from)} ${parts.length - 1} times`);
    return parts.join(to);
  }, recipe);
}

async function whenSaid(child: ChildProcess, ready: RegExp): Promise<() => string> {
  let said = '';
  const heard = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        said += chunk;
        if (ready.test(said)) resolve();
      });
    }
  });
  const failed = once(child, 'exit').then(() => {
    throw new Error(`it has ended:\n${said}`);
  });
  failed.catch(() => undefined);
  await Promise.race([heard, failed]);
  return () => said;
}

function contentsOf(directory: string, settings: string): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const written = files.filter(({ name }) => name !== settings && !name.endsWith('.pem'));
  return written.map(({ parentPath, name }) => readFileSync(`${parentPath}/${name}`, 'utf8')).join('\n');
}
