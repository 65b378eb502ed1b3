#!/usr/bin/env node
'use strict';

// The start of `weighbridge`. Old Node versions cannot read the rest, so this file uses only Node 12 syntax.
const [needed, found] = [require('../../package.json').engines.node.replace('>=', ''), process.versions.node];
const [major, minor] = needed.split('.').map(Number);
const [foundMajor, foundMinor] = found.split('.').map(Number);

if (foundMajor > major || (foundMajor === major && foundMinor >= minor)) {
  // biome-ignore lint/correctness/useImportExtensions: the build copies this file as it is
  void import('./main.js');
} else {
  process.exitCode = 1;
  process.stderr.write(`error: weighbridge needs Node ${needed} or later, and this is Node ${found}.
Raspberry Pi OS 13 and Debian 13 bring a newer Node: sudo apt install --no-install-recommends nodejs npm
On Raspberry Pi OS 12 and Debian 12 (64 bits): sudo npm install --global node@24
Then run the same command again. "node --version" shows which Node is found first: ${process.execPath}
`);
}
