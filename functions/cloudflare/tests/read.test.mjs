// The module that reads files, as it is deployed, called as the Worker calls it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32, deflateRawSync, deflateSync } from "node:zlib";

import { ReaderDied, read } from "../read.js";

const here = (path) => new URL(path, import.meta.url);
const module = new WebAssembly.Module(readFileSync(here("../build/frontdesk_extract_module.wasm")));
const demo = (name) => readFileSync(here(`../../local/demo/${name}`));

const LIMITS = {
  max_bytes: 24 << 20,
  max_pages: 2000,
  pages_at_once: 50,
  max_unpacked: 64 << 20,
  max_entries: 4000,
  max_text: 8 << 20,
  max_depth: 256,
};

/** The bytes of a request: a line of JSON and the file. */
function request(file, { name = "file", from = null, limits = {} } = {}) {
  const header = JSON.stringify({ ask: { text: { name, from } }, limits: { ...LIMITS, ...limits } });
  return Buffer.concat([Buffer.from(`${header}\n`), Buffer.from(file)]);
}

function answer(file, options) {
  return JSON.parse(Buffer.from(read(module, request(file, options))).toString());
}

/** What was read. */
function text(file, options) {
  const { Ok, Err } = answer(file, options);
  assert.ok(Ok, JSON.stringify(Err));
  return Ok;
}

/** Why nothing was read. */
const failure = (file, options) => answer(file, options).Err;

function dies(file, reason, options) {
  assert.throws(
    () => answer(file, options),
    (error) => error instanceof ReaderDied && error.reason === reason && error.cause instanceof Error,
  );
}

/** A zip of one file. */
function zip(name, content) {
  const packed = deflateRawSync(content, { level: 9 });
  const numbers = Buffer.alloc(22);
  numbers.writeUInt16LE(20, 0);
  numbers.writeUInt16LE(8, 4);
  numbers.writeUInt32LE(crc32(content), 10);
  numbers.writeUInt32LE(packed.length, 14);
  numbers.writeUInt32LE(content.length, 18);
  const path = Buffer.from(name);
  const pathLength = Buffer.from([path.length, 0, 0, 0]);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), numbers, pathLength, path, packed]);
  const directory = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00"), numbers, pathLength, Buffer.alloc(14), path,
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, directory, end]);
}

const docx = (body) =>
  zip("word/document.xml", Buffer.from(`<w:document xmlns:w="w"><w:body>${body}</w:body></w:document>`));

/** A pdf of these objects, the first of which is the catalogue. */
function pdf(objects, trailer = "") {
  let file = "%PDF-1.7\n";
  let table = "0000000000 65535 f \n";
  objects.forEach((object, index) => {
    table += `${String(file.length).padStart(10, "0")} 00000 n \n`;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
  });
  const size = objects.length + 1;
  return Buffer.from(
    `${file}xref\n0 ${size}\n${table}trailer\n<</Size ${size}/Root 1 0 R${trailer}>>\nstartxref\n${file.length}\n%%EOF\n`,
    "latin1",
  );
}

/** A pdf with a line on each of its pages. */
function pages(count, box = "/MediaBox[0 0 595 842]", trailer = "") {
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    `<</Type/Pages/Count ${count}/Kids[${Array.from({ length: count }, (_, n) => `${4 + 2 * n} 0 R`).join(" ")}]>>`,
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
  ];
  for (let n = 0; n < count; n++) {
    const content = `BT /F1 11 Tf 1 0 0 1 50 700 Tm (Page ${n} tells about kettles.) Tj ET`;
    objects.push(
      `<</Type/Page/Parent 2 0 R${box}/Resources<</Font<</F1 3 0 R>>>>/Contents ${objects.length + 2} 0 R>>`,
      `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
    );
  }
  return pdf(objects, trailer);
}

test("the module asks its host for nothing and gives it five things", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name).sort();
  assert.deepEqual(names, ["answer", "memory", "out_of_memory", "read", "request"]);
});

test("its memory has the ceiling that people are told", () => {
  const source = readFileSync(here("../../../shared/extract/src/wire.rs"), "utf8");
  const mebibytes = Number(/MODULE_MEMORY: u64 = (\d+) << 20;/.exec(source)[1]);
  const { memory } = new WebAssembly.Instance(module, {}).exports;
  const left = (mebibytes << 4) - memory.buffer.byteLength / 65536;
  assert.throws(() => memory.grow(left + 1), RangeError);
  memory.grow(left);
});

test("every kind of document is read", () => {
  for (const [name, type, piece] of [
    ["delivery-ru.md", "text/markdown", "Доставка курьером по Москве стоит 300 ₽"],
    ["opening-hours-en.txt", "text/plain", "21:00"],
    ["price-list-ru.csv", "text/csv", "Цена: 2490 ₽"],
    ["returns-ru.html", "text/html", "# Возврат и обмен"],
    ["warranty-ru.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "24 месяца"],
    ["kettle-manual-ru.pdf", "application/pdf", "Очищайте чайник от накипи каждые 2 месяца"],
    ["kettle-manual-en.pdf", "application/pdf", "Descale the kettle every 2 months"],
  ]) {
    const document = text(demo(name), { name });
    assert.equal(document.media_type, type, name);
    assert.ok(document.text.includes(piece), `${name}: ${document.text}`);
    assert.equal(document.rest, null, name);
  }
});

test("a long pdf comes in parts", () => {
  const file = pages(120);
  const parts = [text(file)];
  while (parts.at(-1).rest) parts.push(text(file, { from: parts.at(-1).rest }));
  assert.deepEqual(parts.map(({ rest }) => rest?.page ?? null), [50, 100, null]);
  const all = parts.map((part) => part.text).join("");
  assert.equal(all, Array.from({ length: 120 }, (_, n) => `Page ${n} tells about kettles.`).join("\n\n---\n\n"));
});

test("failures come with their reason", () => {
  assert.match(failure("").Unreadable.reason, /^the file is empty/);
  assert.equal(failure(Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", "latin1")).Unsupported.found, "image/png");
  assert.match(failure("%PDF-1.7\nthis is no pdf").Unreadable.reason, /the pdf is damaged/);
});

test("a pdf with a password says so", () => {
  const key = "0123456789abcdef0123456789abcdef";
  const encrypt = `/ID[(${key})(${key})]/Encrypt<</Filter/Standard/V 1/R 2/O(${key})/U(${key})/P -4>>`;
  assert.match(failure(pages(1, undefined, encrypt)).Unreadable.reason, /password/);
});

test("a zip bomb is refused by the bytes that come out", () => {
  const bomb = zip("word/document.xml", Buffer.alloc(64 << 20, " "));
  assert.ok(bomb.length < 100_000);
  assert.match(failure(bomb).OverLimit.what, /unpacked/);
});

test("a hostile pdf takes neither long nor the next one along", () => {
  const stream = (dictionary, data) => `<<${dictionary}/Length ${data.length}>>\nstream\n${data}\nendstream`;
  const page = (font, content) => pdf([
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Count 1/Kids[3 0 R]>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R/F2 6 0 R>>/XObject<</X 4 0 R>>>>/Contents 4 0 R>>",
    content,
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    font,
    "<</Type/Font/Subtype/CIDFontType2/BaseFont/Arial/W[0 4294967294 500]>>",
  ]);
  const twice = deflateSync(deflateSync(Buffer.alloc(200 << 20))).toString("latin1");
  const shown = stream("", "BT /F2 9 Tf 9 9 Td (ab) Tj /F1 9 Tf 0 -20 Td (after the font) Tj ET");
  for (const [name, file, expected] of [
    ["layers", page("null", stream("/Filter[/FlateDecode/FlateDecode]", twice)), /could not be read|damaged|unpacked/],
    ["itself", page("null", stream("/Subtype/Form/BBox[0 0 9 9]", "/X Do /X Do")), /no text|could not be read|damaged/],
    ["widths", page("<</Type/Font/Subtype/Type0/Encoding/Identity-H/DescendantFonts[7 0 R]>>", shown), /after the font/],
    ["codes", page("<</Type/Font/Subtype/TrueType/FirstChar 0/LastChar 4294967295/Widths[5]>>", shown), /after the font/],
  ]) {
    const begun = performance.now();
    assert.match(JSON.stringify(answer(file)), expected, name);
    assert.ok(performance.now() - begun < 2000, name);
  }
  assert.equal(text(pages(1)).text, "Page 0 tells about kettles.");
});

test("what is nested deep is read or refused", () => {
  const page = `<!doctype html>${"<div>".repeat(100_000)}<p>Tea</p>${"</div>".repeat(100_000)}`;
  assert.equal(text(page).text, "Tea");
  assert.match(failure(docx("<w:p>".repeat(100_000))).OverLimit.what, /depth/);
  const nested = pdf(["<</Type/Catalog/Pages 2 0 R>>", "[".repeat(500_000)]);
  try {
    assert.ok(failure(nested).Unreadable);
  } catch (error) {
    assert.equal(error.reason, "broken");
  }
});

test("memory has an end, and it is named; a reader that dies takes no other along", () => {
  dies(Buffer.alloc(80 << 20, "a"), "memory");
  assert.equal(text(pages(1)).text, "Page 0 tells about kettles.");
  dies("чай и чайник ".repeat(1_000_000), "memory", { limits: { max_bytes: 1 << 30, max_text: 1 << 30 } });
});

test("what is no request has no answer", () => {
  assert.equal(read(module, Buffer.from("{}\nfile")).length, 0);
});
