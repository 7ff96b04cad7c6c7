// The network as an object: `load()` it, then `classify()` images. This is what a page that embeds it imports,
// through leannet.js beside index.html.

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
    let answer;
    if (image instanceof Blob) {
      answer = await this.#ask({ task: "classify", blob: image });
    } else {
      const bitmap = await createImageBitmap(image, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
      answer = await this.#ask({ task: "classify", bitmap }, [bitmap]);
    }
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
   * Replays the artifact's golden images and compares the outputs with those recorded at export, as `leannet check`
   * does. Returns {passed, difference, tolerance, images}: the largest difference, as a share of the largest output.
   */
  async check() {
    const { golden, tolerance } = this.about;
    let [largestOutput, largestGap, sameClasses] = [0, 0, true];
    const answers = [];
    for (const { file, outputs } of golden) {
      const blob = await (await fetch(new URL(file, HERE))).blob();
      answers.push([outputs, (await this.classify(blob)).outputs]);
      for (const value of outputs) largestOutput = Math.max(largestOutput, Math.abs(value));
    }
    for (const [recorded, computed] of answers) {
      recorded.forEach((value, i) => (largestGap = Math.max(largestGap, Math.abs(value - computed[i]))));
      const best = recorded.indexOf(Math.max(...recorded));
      sameClasses &&= computed[best] >= Math.max(...computed) - tolerance * largestOutput;
    }
    const difference = largestGap / largestOutput;
    const passed = golden.length > 0 && sameClasses && difference <= tolerance;
    return { passed, difference, tolerance, images: golden.length };
  }

  close() {
    this.#fail("the network was closed");
    this.#worker.terminate();
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

function softmax(outputs) {
  const largest = Math.max(...outputs);
  const shifted = Array.from(outputs, (value) => Math.exp(value - largest));
  const total = shifted.reduce((sum, value) => sum + value, 0);
  return shifted.map((value) => value / total);
}
