// Runs the network away from the page, so that the page stays quick: images in, outputs back, one after the other.

import { asFloats, decode, prepare } from "./prepare.js";

let about; // model.json
let ort;
let session;
let last = Promise.resolve();

self.addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});

async function answer({ id, task, ...given }) {
  try {
    const [result, moved] = await (task === "open" ? open(given) : classify(given));
    self.postMessage({ id, result }, moved);
  } catch (error) {
    self.postMessage({ id, error: { name: error?.name ?? "Error", message: error?.message ?? String(error) } });
  }
}

async function open(given) {
  about = given.about;
  const { runtime, wasm } = about.backends[given.backend];
  const sizes = [about.model.size_bytes, wasm.size_bytes];
  const loaded = [0, 0];
  const total = sizes[0] + sizes[1];
  const report = (which) => (bytes) => {
    loaded[which] = Math.min(bytes, sizes[which]);
    self.postMessage({ progress: { loaded: loaded[0] + loaded[1], total } });
  };
  const [model, binary, module] = await Promise.all([
    download(about.model.file, report(0)),
    download(wasm.file, report(1)).then(unpacked),
    import(new URL(runtime, import.meta.url).href),
  ]);
  ort = module;
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.numThreads = given.threads;
  ort.env.logLevel = "error";
  const options = { executionProviders: [given.backend], logSeverityLevel: 3 };
  session = await ort.InferenceSession.create(model, options);
  const { height, width, color } = about.preprocessing;
  const channels = color.length;
  await run({ data: new Uint8Array(height * width * channels), height, width, channels }); // the first one is slow
  return [{ threads: ort.env.wasm.numThreads }, []];
}

async function classify({ blob, bitmap: given }) {
  const started = performance.now();
  const { bitmap, orientation } = given ? { bitmap: given, orientation: 1 } : await decode(blob, about.preprocessing);
  const decoded = performance.now();
  const size = { width: bitmap.width, height: bitmap.height };
  let input;
  try {
    input = prepare(bitmap, orientation, about.preprocessing);
  } finally {
    bitmap.close();
  }
  const prepared = performance.now();
  const outputs = await run(input);
  const milliseconds = {
    decode: given ? 0 : decoded - started,
    prepare: prepared - decoded,
    network: performance.now() - prepared,
  };
  return [{ outputs, input, milliseconds, ...size }, [outputs.buffer, input.data.buffer]];
}

/** The network's outputs (classes,) before softmax. */
async function run(image) {
  const { data, height, width, channels } = image;
  const tensor =
    about.input === "uint8"
      ? new ort.Tensor("uint8", data, [1, height, width, channels])
      : new ort.Tensor("float32", asFloats(image, about.preprocessing), [1, channels, height, width]);
  const made = await session.run({ [session.inputNames[0]]: tensor });
  const output = made[session.outputNames[0]];
  return Float32Array.from(await output.getData());
}

async function download(file, report) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file} cannot be loaded (HTTP ${response.status})`);
  const parts = [];
  let length = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    report((length += value.length));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Bytes as they were before gzip, also where the server has unpacked them already. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
