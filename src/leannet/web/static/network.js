// The network as an object: `load()` it, then `classify()` images. This is what a page that embeds it imports,
// through leannet.js beside index.html.

const LEAST_SCORE = 0.3; // from which on an object is shown
const FIRST = 10; // of an image's objects, which a comparison leaves out last
const ANOTHER = 0.1; // of the longer side, or of a score: what is so far from an object is another one
const HERE = new URL(".", import.meta.url);

/** How many threads can be used: one, unless the server isolates the page from others (docs/web.md). */
export function mostThreads() {
  return globalThis.crossOriginIsolated ? Math.max(1, navigator.hardwareConcurrency || 1) : 1;
}

/** How many threads are used by default. */
export function usualThreads() {
  return Math.min(4, Math.ceil(mostThreads() / 2));
}

/** What model.json says of the network, without loading it. */
export async function describe() {
  const response = await fetch(new URL("model.json", HERE));
  if (!response.ok) throw new Error(`model.json cannot be loaded (HTTP ${response.status})`);
  return response.json();
}

/**
 * Loads the network.
 *
 * backend: "wasm", or "webgpu" where the site was made with --webgpu. threads: of wasm. onProgress: called with
 * {loaded, total} in bytes. Returns a Network. Raises Error if the backend is not available.
 */
export async function load({ backend = "wasm", threads = usualThreads(), onProgress } = {}) {
  const about = await describe();
  if (!about.backends[backend]) throw new Error(`backend: expected ${Object.keys(about.backends)}, found ${backend}`);
  const network = new Network(about, backend, onProgress);
  try {
    await network.open(threads);
  } catch (error) {
    network.close();
    throw error;
  }
  return network;
}

export class Network {
  #worker;
  #waiting = new Map();
  #number = 0;

  constructor(about, backend, onProgress) {
    this.about = about;
    this.backend = backend;
    this.#worker = new Worker(workerAddress(), { type: "module", name: "leannet" });
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.progress) return onProgress?.(data.progress);
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (!data.error) return resolve(data.result);
      return reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    });
    this.#worker.addEventListener("error", (event) => this.#fail(event.message || "the worker cannot be started"));
  }

  async open(threads) {
    const { about, backend } = this;
    this.threads = (await this.#ask({ task: "open", about, backend, threads })).threads;
  }

  /**
   * Classifies an image.
   *
   * image: a Blob or File of an image, or what createImageBitmap takes: an image, a video, a canvas. Returns
   * {prediction, probability, top: [{class, probability}], probabilities, outputs, input, milliseconds, width, height,
   * backend, threads}: `top` has the most likely first, `probabilities` and `outputs` (before softmax) are in the order
   * of the classes, `input` is the image as the network reads it, {data, width, height, channels}, data (H, W, C) of
   * 0..255.
   * Raises Error for what the browser cannot decode.
   */
  async classify(image, { top = 5 } = {}) {
    const answer = await this.#answer(image);
    const probabilities = softmax(answer.outputs);
    const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a]);
    const ranked = order.slice(0, top).map((i) => ({ class: this.about.classes[i], probability: probabilities[i] }));
    return {
      prediction: ranked[0].class,
      probability: ranked[0].probability,
      top: ranked,
      probabilities,
      ...answer,
      backend: this.backend,
      threads: this.threads,
    };
  }

  /**
   * Finds objects in an image.
   *
   * image: as for `classify`. least: the score, 0 to 1, below which an object is left out. Returns {objects: [{class,
   * score, box}], outputs, input, milliseconds, width, height, backend, threads}: `objects` has the most likely first,
   * `box` is left, top, right and bottom in pixels of the upright image, which is `width` x `height`.
   */
  async detect(image, { least = LEAST_SCORE } = {}) {
    const answer = await this.#answer(image);
    const { width, height, scale, offset } = answer.place;
    const objects = [];
    for (let at = 0; at < answer.outputs.length; at += 6) {
      const [left, top, right, bottom, score, label] = answer.outputs.subarray(at, at + 6);
      if (score < least) continue;
      const back = (value, axis) => (value - offset[axis]) / scale[axis];
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      const [x, y] = [within(back(left, 0), width), within(back(top, 1), height)];
      const box = [x, y, within(back(right, 0), width), within(back(bottom, 1), height)];
      if (box[2] <= box[0] || box[3] <= box[1]) continue; // nothing of it is in the image
      objects.push({ class: this.about.classes[label], score, box });
    }
    return { objects, ...answer, width, height, backend: this.backend, threads: this.threads };
  }

  /** What the network is for: `classify` or `detect`. */
  look(image, options) {
    return this.about.task === "detect" ? this.detect(image, options) : this.classify(image, options);
  }

  /**
   * Replays the artifact's golden images and compares the outputs with those recorded at export, as `leannet check`
   * does. Returns {passed, difference, tolerance, images}: the largest difference, as a share of the largest output; of
   * boxes as a share of the input's longer side.
   */
  async check() {
    const { golden, tolerance, preprocessing, task } = this.about;
    const answers = [];
    for (const { file, outputs } of golden) {
      const blob = await (await fetch(new URL(file, HERE))).blob();
      answers.push([outputs, (await this.#answer(blob)).outputs]);
    }
    const side = Math.max(preprocessing.width, preprocessing.height);
    const compared = task === "detect" ? comparedBoxes(answers, side, tolerance) : comparedClasses(answers, tolerance);
    const { same, difference } = compared;
    const passed = golden.length > 0 && same && difference <= tolerance;
    return { passed, difference, tolerance, images: golden.length };
  }

  close() {
    this.#fail("the network was closed");
    this.#worker.terminate();
  }

  async #answer(image) {
    if (image instanceof Blob) return this.#ask({ task: "answer", blob: image });
    const bitmap = await createImageBitmap(image, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    return this.#ask({ task: "answer", bitmap }, [bitmap]);
  }

  #ask(message, transferred = []) {
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...message }, transferred);
    });
  }

  #fail(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}

/**
 * The worker, which has the images, must obey the site's policy. One made from a blob inherits it from the page; one
 * that the service worker delivers gets it in a header. Without a connection, only the second works in all browsers.
 */
function workerAddress() {
  const address = new URL("worker.js", HERE).href;
  if (navigator.serviceWorker?.controller) return address;
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" }));
}

/** Whether outputs say the same classes as those recorded, and how far they are from them: {same, difference}. */
export function comparedClasses(answers, tolerance) {
  let [largestOutput, largestGap, same] = [0, 0, true];
  for (const [recorded] of answers) {
    for (const value of recorded) largestOutput = Math.max(largestOutput, Math.abs(value));
  }
  for (const [recorded, computed] of answers) {
    recorded.forEach((value, i) => (largestGap = Math.max(largestGap, Math.abs(value - computed[i]))));
    const best = recorded.indexOf(Math.max(...recorded));
    same &&= computed[best] >= Math.max(...computed) - tolerance * largestOutput;
  }
  return { same, difference: largestGap / largestOutput };
}

/**
 * The same of objects, which may change places where their scores are nearly equal: each is compared with the nearest
 * one of its class, as leannet check does. side: the input's longer one.
 */
export function comparedBoxes(answers, side, tolerance) {
  let difference = 0;
  for (const [recorded, flat] of answers) {
    const computed = recorded.map((_, i) => flat.subarray(6 * i, 6 * i + 6));
    const [ones, others] = [recorded, computed].map((objects) => objects.map((each) => each[4]).sort((a, b) => a - b));
    ones.forEach((score, i) => (difference = Math.max(difference, Math.abs(score - others[i]))));
    difference = Math.max(difference, apart(recorded, computed, side, tolerance), apart(computed, recorded, side, tolerance));
  }
  return { same: difference < ANOTHER, difference };
}

function apart(some, others, side, tolerance) {
  const least = Math.max(...[some, others].map((objects) => Math.min(...objects.map((each) => each[4]))));
  let largest = 0;
  for (const [rank, one] of some.entries()) {
    if (one[4] <= least + (rank < FIRST ? tolerance / 10 : tolerance)) continue;
    let nearest = 1;
    for (const other of others) {
      if (other[5] !== one[5]) continue;
      const gaps = [0, 1, 2, 3].map((edge) => Math.abs(one[edge] - other[edge]) / side);
      nearest = Math.min(nearest, Math.max(...gaps, Math.abs(one[4] - other[4])));
    }
    largest = Math.max(largest, nearest);
  }
  return largest;
}

function softmax(outputs) {
  const largest = Math.max(...outputs);
  const shifted = Array.from(outputs, (value) => Math.exp(value - largest));
  const total = shifted.reduce((sum, value) => sum + value, 0);
  return shifted.map((value) => value / total);
}
