// Bundles widget/test/*.test.ts and runs them under node:test. Arguments go on to node.

import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'widget/test');
const out = join(here, '.test-build');
const entryPoints = (await readdir(source)).filter((name) => name.endsWith('.test.ts')).map((name) => join(source, name));

await rm(out, { recursive: true, force: true });
await build({ entryPoints, outdir: out, outExtension: { '.js': '.mjs' }, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline', logLevel: 'warning' });

const files = entryPoints.map((path) => join(out, path.slice(source.length + 1).replace(/\.ts$/, '.mjs')));
const child = spawn(process.execPath, ['--enable-source-maps', '--test', '--test-timeout=120000', ...process.argv.slice(2), ...files], { stdio: 'inherit' });
child.on('exit', (code) => process.exit(code ?? 1));
