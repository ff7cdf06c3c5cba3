// Builds web/dist: widget.js, the panel that it gets when it is opened, and the demo page with its assets.

import { createHash } from 'node:crypto';
import { build, transform } from 'esbuild';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');

/** Style sheets become minified text inside the script: one request, and a shadow root gets them as a constructed sheet. */
const cssAsText = {
  name: 'css-as-text',
  setup(plugin) {
    plugin.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};

const common = { bundle: true, format: 'iife', target: 'es2022', minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning', charset: 'utf8' };

/** The gzipped bytes that a page with the widget loads, and those that come when its panel is opened. */
const LIMITS = { 'widget.js': 15_500, 'widget-panel.js': 15_500 };

const sources = (await readdir(join(here, 'widget/src'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
const version = createHash('sha256');
for (const path of sources) version.update(await readFile(path));
const define = { VERSION: JSON.stringify(version.digest('hex').slice(0, 12)) };

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'demo'), { recursive: true });
await Promise.all([
  build({ ...common, define, entryPoints: [join(here, 'widget/src/main.ts')], outfile: join(dist, 'widget.js'), plugins: [cssAsText] }),
  build({ ...common, define, format: 'esm', entryPoints: [join(here, 'widget/src/view/entry.ts')], outfile: join(dist, 'widget-panel.js'), plugins: [cssAsText] }),
  build({ ...common, entryPoints: [join(here, 'demo/demo.ts')], outfile: join(dist, 'demo/demo.js') }),
  build({ ...common, entryPoints: [join(here, 'demo/demo.css')], outfile: join(dist, 'demo/demo.css'), target: 'chrome100' }),
  ...['index.html', 'camomile.svg', 'scene.svg'].map((name) => cp(join(here, 'demo', name), join(dist, 'demo', name))),
]);

// Compressed copies, so that no server compresses on the way. The page itself is filled in by the server.
for (const name of await readdir(dist, { recursive: true })) {
  if (!/\.(js|css|svg)$/.test(name)) continue;
  const content = await readFile(join(dist, name));
  await writeFile(join(dist, `${name}.br`), brotliCompressSync(content));
  await writeFile(join(dist, `${name}.gz`), gzipSync(content, { level: 9 }));
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
for (const [name, limit] of Object.entries(LIMITS)) {
  const script = await readFile(join(dist, name));
  const gzip = gzipSync(script, { level: 9 }).length;
  console.log(`${name} ${kilobytes(script.length)}, ${kilobytes(gzip)} gzip, ${kilobytes(brotliCompressSync(script).length)} brotli`);
  if (gzip > limit) throw new Error(`${name} is larger than ${kilobytes(limit)} gzip`);
}
