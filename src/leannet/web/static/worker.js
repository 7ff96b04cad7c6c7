// Runs the network in a worker, so that the page stays responsive: images in, outputs out, one after the other.

import { asFloats, decode, prepare } from "./prepare.js";

let about; // model.json
let ort;
let session;
let last = Promise.resolve();

self.addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});

async function answer({ id, task, ...fields }) {
  try {
    const [result, transferred] = await (task === "open" ? open(fields) : answerTo(fields));
    self.postMessage({ id, result }, transferred);
  } catch (error) {
    self.postMessage({ id, error: { name: error?.name ?? "Error", message: error?.message ?? String(error) } });
  }
}

async function open({ about: model, backend, threads }) {
  about = model;
  const { runtime, wasm } = about.backends[backend];
  const sizes = [about.model.size_bytes, wasm.size_bytes];
  const loaded = [0, 0];
  const total = sizes[0] + sizes[1];
  const report = (which) => (bytes) => {
    loaded[which] = Math.min(bytes, sizes[which]);
    self.postMessage({ progress: { loaded: loaded[0] + loaded[1], total } });
  };
  const [graph, binary, module] = await Promise.all([
    download(about.model.file, report(0)),
    download(wasm.file, report(1)).then(decompressed),
    import(new URL(runtime, import.meta.url).href),
  ]);
  ort = module;
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const options = { executionProviders: [backend], logSeverityLevel: 3 };
  session = await ort.InferenceSession.create(graph, options);
  const { height, width, color } = about.preprocessing;
  const channels = color.length;
  await run({ data: new Uint8Array(height * width * channels), height, width, channels }); // the first run is slow
  return [{ threads: ort.env.wasm.numThreads }, []];
}

async function answerTo({ blob, bitmap: frame }) {
  const started = performance.now();
  const { bitmap, orientation } = frame ? { bitmap: frame, orientation: 1 } : await decode(blob, about.preprocessing);
  const decoded = performance.now();
  const size = { width: bitmap.width, height: bitmap.height };
  let input, place;
  try {
    ({ input, place } = prepare(bitmap, orientation, about.preprocessing));
  } finally {
    bitmap.close();
  }
  const prepared = performance.now();
  const outputs = await run(input);
  const milliseconds = {
    decode: frame ? 0 : decoded - started,
    prepare: prepared - decoded,
    network: performance.now() - prepared,
  };
  return [{ outputs, input, place, milliseconds, ...size }, [outputs.buffer, input.data.buffer]];
}

/**
 * The network's outputs: of a classifier (classes,) before softmax; of a detector (most, 6), left, top, right and bottom
 * in pixels of the input, score and class.
 */
async function run(image) {
  const { data, height, width, channels } = image;
  const tensor =
    about.input === "uint8"
      ? new ort.Tensor("uint8", data, [1, height, width, channels])
      : new ort.Tensor("float32", asFloats(image, about.preprocessing), [1, channels, height, width]);
  const results = await session.run({ [session.inputNames[0]]: tensor });
  const outputs = await Promise.all(session.outputNames.map((name) => results[name].getData()));
  if (about.task !== "detect") return Float32Array.from(outputs[0]);
  const [boxes, scores, classes] = outputs.map((values) => Float32Array.from(values, Number));
  const joined = new Float32Array(6 * scores.length);
  scores.forEach((score, i) => joined.set([...boxes.subarray(4 * i, 4 * i + 4), score, classes[i]], 6 * i));
  return joined;
}

async function download(file, report) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file} cannot be loaded (HTTP ${response.status})`);
  const chunks = [];
  let length = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    report((length += value.length));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Decompressed bytes. Some servers have already had the browser decompress them. */
async function decompressed(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
