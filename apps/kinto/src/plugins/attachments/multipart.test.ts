import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ServiceError } from "rouage";
import { readForm } from "./multipart.ts";

const contentType = "multipart/form-data; boundary=xyz";

function formOf(file: Uint8Array, data: string): Uint8Array {
  const head =
    '--xyz\r\nContent-Disposition: form-data; name="attachment"; filename="a.bin"\r\nContent-Type: a/b\r\n\r\n';
  const rest = `\r\n--xyz\r\nContent-Disposition: form-data; name="data"\r\n\r\n${data}\r\n--xyz--\r\n`;
  return Buffer.concat([Buffer.from(head), file, Buffer.from(rest)]);
}

function inPieces(bytes: Uint8Array, sizes: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      const size = sizes[turn++ % sizes.length] ?? 1;
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

/** Reads a form, and says which files were received whole and not given back. */
async function read(body: ReadableStream<Uint8Array>, signal = new AbortController().signal) {
  const kept = new Set<Buffer>();
  const form = readForm(body, {
    contentType,
    textLimit: 10_000,
    accept: () => {},
    receive: async (source) => {
      const chunks: Buffer[] = [];
      for await (const chunk of source) chunks.push(chunk);
      const whole = Buffer.concat(chunks);
      kept.add(whole);
      return whole;
    },
    discard: async (file) => void kept.delete(file),
    signal,
  });
  return {
    form: await form.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    ),
    kept,
  };
}

const pieces = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 });
/** With what looks like the boundary, or nearly. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom("\r\n--xy", "\r\n--xya", "\r\n", "--xyz", "\r\n-").map((text) => Buffer.from(text)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts))
  .filter((bytes) => !bytes.includes("\r\n--xyz") && !bytes.subarray(0, 5).equals(Buffer.from("--xyz")));

test("a form means the same in whatever pieces it arrives", () =>
  fc.assert(
    fc.asyncProperty(content, pieces, async (file, sizes) => {
      const { form } = await read(inPieces(formOf(file, '{"a":1}'), sizes));
      assert.ok("value" in form, JSON.stringify(form));
      const { filename, mimetype, texts } = form.value;
      assert.deepEqual([filename, mimetype, texts.get("data")], ["a.bin", "a/b", '{"a":1}']);
      assert.ok(form.value.file.equals(file));
    }),
  ));

test("a form that is cut anywhere is refused, and no file is left of it", () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), pieces, fc.nat(), async (file, sizes, at) => {
      const whole = formOf(file, "{}");
      // Behind the last boundary's dashes nothing is missing any more.
      const { form, kept } = await read(inPieces(whole.subarray(0, at % (whole.length - 3)), sizes));
      assert.ok("error" in form && ServiceError.is(form.error), "it was taken for whole");
      assert.equal(form.error.kind.status, 400);
      assert.equal(kept.size, 0);
    }),
  ));

test("any bytes are a form or a 400, soon", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc
            .constantFrom(
              "--xyz",
              "\r\n",
              "--",
              "Content-Disposition: form-data",
              '; name="attachment"',
              '; filename="a"',
              "\r\n\r\n",
              ": ",
            )
            .map((text) => Buffer.from(text)),
        ),
        { maxLength: 30 },
      ),
      pieces,
      async (parts, sizes) => {
        const { form } = await read(inPieces(Buffer.concat(parts), sizes));
        if ("error" in form)
          assert.ok(ServiceError.is(form.error) && form.error.kind.status === 400, String(form.error));
      },
    ),
  ));

test("whoever gives up while a file arrives is rid of it", async () => {
  const stop = new AbortController();
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(formOf(Buffer.from("hello"), "{}").subarray(0, 110)),
    pull: () => new Promise(() => {}),
    cancel() {
      isCancelled = true;
    },
  });
  const reading = read(endless, stop.signal);
  setImmediate(() => stop.abort(new ServiceError("deadline-exceeded")));
  const { form, kept } = await reading;
  assert.ok("error" in form && ServiceError.is(form.error));
  assert.equal(form.error.code, "deadline-exceeded");
  assert.deepEqual([kept.size, isCancelled], [0, true]);
});
