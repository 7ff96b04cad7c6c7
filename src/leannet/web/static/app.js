// The page: images from the camera, a file, a drop, the clipboard or a sample, to the network, to the view.

import { Camera } from "./camera.js";
import { describe, load, mostThreads, usualThreads } from "./network.js";
import * as view from "./view.js";

const HERE = new URL(".", import.meta.url);
const find = (id) => document.getElementById(id);
const camera = new Camera(find("video"));

let about;
let network; // the one that is loaded
let newest = 0; // the image that was asked for last
let offline = false;

// For a page that frames this one: see docs/web.md.
const ready = start();
window.leannet = {
  ready,
  classify: async (image, options) => {
    await ready;
    return network.classify(image, options);
  },
};

async function start() {
  try {
    about = await describe();
    view.showAbout(about);
    view.showSamples(about, HERE, pickSample);
    await choices();
    await use("wasm", usualThreads());
  } catch (error) {
    view.showState("It could not be loaded.");
    view.showProblem(error.message);
    throw error;
  }
  keep();
  return about;
}

// The network

async function use(backend, threads) {
  view.enable(false);
  network?.close();
  const onProgress = ({ loaded, total }) => {
    const words = loaded < total ? `Loading ${view.megabytes(total)}` : "Starting the network";
    view.showState(words, { share: loaded / total });
  };
  view.showState("Loading", { share: 0 });
  network = await load({ backend, threads, onProgress });
  find("backend").value = backend;
  find("threads").value = String(network.threads);
  find("threads").disabled = backend !== "wasm" || mostThreads() === 1;
  if (network.threads < threads) find("how").textContent = `Threads that this browser allows: ${network.threads}.`;
  view.enable(true);
  tellState();
}

function tellState() {
  if (network) view.showState(offline ? "Ready, also offline" : "Ready", { ready: true });
}

/** The backends and numbers of threads that can be had here, and what the others would need. */
async function choices() {
  const names = { wasm: "CPU (WebAssembly)", webgpu: "GPU (WebGPU)" };
  for (const name of Object.keys(about.backends)) {
    const missing = name === "webgpu" && !(await navigator.gpu?.requestAdapter());
    const label = missing ? `${names[name]}: not in this browser` : names[name];
    find("backend").append(view.element("option", { value: name, disabled: missing }, label));
  }
  find("backend").disabled = find("backend").options.length === 1;
  const most = Math.min(mostThreads(), 16);
  for (let threads = 1; threads <= most; threads++) {
    find("threads").append(view.element("option", { value: String(threads) }, String(threads)));
  }
  tellThreads();
  find("backend").addEventListener("change", changed);
  find("threads").addEventListener("change", changed);
}

async function changed() {
  stopCamera();
  view.showProblem();
  const backend = find("backend").value;
  try {
    await use(backend, Number(find("threads").value));
  } catch (error) {
    await use("wasm", usualThreads());
    view.showProblem(`${backend} could not run it, so it is on WebAssembly again: ${error.message}`);
  }
}

function tellThreads() {
  const waiting = !crossOriginIsolated && Boolean(navigator.serviceWorker?.controller);
  find("reload").hidden = !waiting;
  if (crossOriginIsolated) find("how").textContent = "Small networks are often quickest with few threads.";
  else if (waiting) find("how").textContent = "Reload the page, and it may use several threads.";
  else if (isSecureContext) find("how").textContent = "One thread: the page is not isolated from others yet.";
  else find("how").textContent = "Threads, the camera and offline use need https, or localhost.";
}

/** Has everything kept for use without a connection. */
function keep() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  workers.register(new URL("../sw.js", HERE), { updateViaCache: "none" }).catch(() => {});
  workers.ready.then(() => {
    offline = true;
    if (!camera.running) tellState();
  });
  workers.addEventListener("controllerchange", tellThreads);
}

// Images

async function classify(image, name) {
  const number = ++newest;
  view.showProblem();
  try {
    const result = await network.classify(image);
    if (number === newest) view.showAnswer(result, about);
  } catch (error) {
    if (number !== newest) return;
    showNothing();
    const unknown = error.name === "InvalidStateError" || error.name === "EncodingError";
    view.showProblem(unknown ? `${name}: this browser cannot read it as an image.` : `${name}: ${error.message}`);
  }
}

function show(address, name) {
  stopCamera();
  const image = find("image");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.src = address;
  image.alt = name;
  image.hidden = false;
  find("empty").hidden = true;
}

function showNothing() {
  find("image").hidden = true;
  find("empty").hidden = false;
  view.press();
  view.showNoAnswer();
}

function take(file) {
  if (!network || !file) return;
  view.press();
  show(URL.createObjectURL(file), file.name);
  classify(file, file.name);
}

async function pickSample(address, name, button) {
  view.press(button);
  show(address, name);
  classify(await (await fetch(address)).blob(), name);
}

find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", () => {
  take(find("file").files[0]);
  find("file").value = "";
});
find("stage").addEventListener("click", () => find("empty").hidden || find("choose").click());
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) take(file);
});
let inside = 0; // of the elements that a dragged file is over
document.addEventListener("dragenter", (event) => dragging(event, 1));
document.addEventListener("dragleave", (event) => dragging(event, -1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  dragging(event, -inside);
  take(event.dataTransfer.files[0]);
});

function dragging(event, change) {
  event.preventDefault();
  inside = Math.max(0, inside + change);
  find("stage").classList.toggle("dropping", inside > 0);
}

// The camera

find("camera").addEventListener("click", () => (camera.running ? stopCamera() : startCamera(() => camera.start())));
find("turn").addEventListener("click", () => startCamera(() => camera.next()));
find("reload").addEventListener("click", () => location.reload());
find("check").addEventListener("click", async () => {
  find("checked").textContent = "Comparing";
  try {
    view.showChecked(await network.check());
  } catch (error) {
    find("checked").textContent = error.message;
  }
});

async function startCamera(begin) {
  view.showProblem();
  view.press();
  try {
    await begin();
  } catch (error) {
    stopCamera();
    view.showProblem(error.message);
    return;
  }
  find("image").hidden = true;
  find("empty").hidden = true;
  find("video").hidden = false;
  find("turn").hidden = !camera.several;
  find("camera").textContent = "Stop camera";
  watch(++newest);
}

function stopCamera() {
  if (camera.running) newest++;
  camera.stop();
  find("video").hidden = true;
  find("turn").hidden = true;
  find("camera").textContent = "Start camera";
  find("empty").hidden = !find("image").hidden;
}

/** Classifies frame after frame, as fast as the network is, while this is what was asked for last. */
async function watch(number) {
  let said = "";
  let saidAt = -Infinity;
  let rate = 0;
  let before = performance.now();
  while (number === newest && camera.running) {
    try {
      const result = await network.classify(find("video"));
      if (number !== newest) return;
      const now = performance.now();
      rate += ((1000 / (now - before) || 0) - rate) * (rate ? 0.1 : 1);
      before = now;
      const spoken = result.prediction !== said && now - saidAt > 2000; // a screen reader is not to be flooded
      if (spoken) [said, saidAt] = [result.prediction, now];
      view.showAnswer(result, about, { rate, spoken });
    } catch (error) {
      if (number !== newest) return;
      stopCamera();
      view.showProblem(error.message);
      return;
    }
    await new Promise(requestAnimationFrame); // pauses where the page is not seen
  }
  if (number === newest) stopCamera(); // it was taken away
}
