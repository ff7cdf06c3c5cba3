// Builds web/dist: widget.js, and the demo page with its assets.

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

const common = { bundle: true, format: 'iife', target: 'es2020', minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning', charset: 'utf8' };

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'demo'), { recursive: true });
await Promise.all([
  build({ ...common, entryPoints: [join(here, 'widget/src/main.ts')], outfile: join(dist, 'widget.js'), plugins: [cssAsText] }),
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

const script = await readFile(join(dist, 'widget.js'));
const gzip = gzipSync(script, { level: 9 }).length;
const brotli = brotliCompressSync(script).length;
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`widget.js ${kilobytes(script.length)}, ${kilobytes(gzip)} gzip, ${kilobytes(brotli)} brotli`);
