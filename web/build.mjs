// Builds web/dist: widget.js, the chat that it gets when it is opened, one file a language, and the demo page with its assets.

import { gzipAsync } from '@gfx/zopfli';
import { createHash } from 'node:crypto';
import { build, transform } from 'esbuild';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { minify } from 'terser';

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

/** In the files that come later, what the first one lends is no copy: each name is what `borrow` was given (widget/src/kit.ts). */
const lentNames = /export const kit = \{(.+)\}/.exec(await readFile(join(here, 'widget/src/kit.ts'), 'utf8'))[1].trim();
const borrowed = {
  name: 'borrowed',
  setup(plugin) {
    plugin.onResolve({ filter: /\/(?:kit|backoff|failure|json|pauses|element|style)$/ }, () => ({ path: 'kit', namespace: 'borrowed' }));
    plugin.onLoad({ filter: /.*/, namespace: 'borrowed' }, () => ({ contents: `export let kit, ${lentNames}; export const borrow = (lent) => ({ ${lentNames} } = kit = lent);` }));
  },
};

const common = { bundle: true, format: 'iife', target: 'es2022', minify: true, sourcemap: true, legalComments: 'none', logLevel: 'warning', charset: 'utf8' };

/**
 * The most gzipped bytes: what every page view loads, that with an open panel, and with the messages, which come behind it: all
 * that a chat takes. What few visitors need (a source's card, event streams) is asked for when it is needed.
 */
const LIMITS = { page: 9_700, open: 20_600, chat: 29_100 };
const LANGUAGES = ['en', 'ru'];
const LATER = [...LANGUAGES, 'messages', 'source', 'stream'];

const sources = (await readdir(join(here, 'widget/src'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
const version = createHash('sha256');
for (const path of sources) version.update(await readFile(path));
/**
 * What classes call `private` gets short names. Not those that are a name of something else as well: of the platform, which
 * terser knows, of a type or an object, which may be the other file's, the server's or the page's.
 */
const texts = (await Promise.all(sources.filter((path) => path.endsWith('.ts')).map((path) => readFile(path, 'utf8')))).join('\n');
const named = (...patterns) => new Set(patterns.flatMap((pattern) => [...texts.matchAll(pattern)].map(([, name]) => name)));
const shared = named(/(?:^|[{,(])\s*(\w+)\??:/gm, /^\s*(?:readonly |async |get |set )*(\w+)(?:\(| =)/gm);
const privateNames = new RegExp(`^(?:${[...named(/\bprivate (?:readonly |async |get |set )*(\w+)/g)].filter((name) => !shared.has(name)).join('|')})$`);

const define = { VERSION: JSON.stringify(version.digest('hex').slice(0, 12)) };

/** One file of the widget, as small as it gets: terser goes over what esbuild put together. */
async function script(entry, name, { plugins = [], ...options } = {}) {
  const built = await build({ ...common, ...options, minify: false, minifySyntax: true, write: false, define, entryPoints: [join(here, 'widget/src', entry)], outfile: join(dist, name), plugins: [cssAsText, ...plugins] });
  const [map, { text }] = built.outputFiles;
  const { code, map: sources } = await minify({ [name]: text }, {
    ecma: 2020,
    module: true,
    compress: { passes: 3, unsafe_arrows: true },
    mangle: { properties: { regex: privateNames, reserved: [] } },
    sourceMap: { content: map.text, url: `${name}.map` },
  });
  await writeFile(join(dist, name), code);
  await writeFile(join(dist, `${name}.map`), sources);
}

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'demo'), { recursive: true });
await Promise.all([
  script('main.ts', 'widget.js'),
  ...LATER.map((name) => script(`entry/${name}.ts`, `widget-${name}.js`, { format: 'esm', plugins: [borrowed] })),
  build({ ...common, entryPoints: [join(here, 'demo/demo.ts')], outfile: join(dist, 'demo/demo.js') }),
  build({ ...common, entryPoints: [join(here, 'demo/demo.css')], outfile: join(dist, 'demo/demo.css'), target: 'chrome100' }),
  ...['index.html', 'camomile.svg', 'scene.svg'].map((name) => cp(join(here, 'demo', name), join(dist, 'demo', name))),
]);

// Compressed copies, so that no server compresses on the way, each as small as its format lets it be. The page itself is filled in by the server.
for (const name of await readdir(dist, { recursive: true })) {
  if (!/\.(js|css|svg)$/.test(name)) continue;
  const content = await readFile(join(dist, name));
  await writeFile(join(dist, `${name}.br`), brotliCompressSync(content));
  await writeFile(join(dist, `${name}.gz`), await gzipAsync(content, { numiterations: 15 }));
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const sizes = {};
for (const name of ['widget.js', ...LATER.map((later) => `widget-${later}.js`)]) {
  const [plain, gzip, brotli] = await Promise.all(['', '.gz', '.br'].map(async (suffix) => (await stat(join(dist, name + suffix))).size));
  sizes[name] = gzip;
  console.log(`${name} ${kilobytes(plain)}, ${kilobytes(gzip)} gzip, ${kilobytes(brotli)} brotli`);
}
const page = sizes['widget.js'];
const open = page + Math.max(...LANGUAGES.map((language) => sizes[`widget-${language}.js`]));
const chat = open + sizes['widget-messages.js'];
console.log(`a page view ${kilobytes(page)}, with an open panel ${kilobytes(open)}, a chat ${kilobytes(chat)}`);
for (const [what, size] of Object.entries({ page, open, chat })) {
  if (size > LIMITS[what]) throw new Error(`${what}: ${kilobytes(size)} gzip, more than ${kilobytes(LIMITS[what])}`);
}
