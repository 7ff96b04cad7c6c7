// The page: takes images from the camera, a file, a drop, the clipboard or a sample, has the network look at them, and
// shows the answers.

import { Camera } from "./camera.js";
import { describe, load, mostThreads, usualThreads } from "./network.js";
import * as view from "./view.js";

const HERE = new URL(".", import.meta.url);
const find = (id) => document.getElementById(id);
const camera = new Camera(find("video"));

let about;
let network; // the one that is loaded
let newest = 0; // number of the latest image
let offline = false;

// For a page that has this one in a frame: see docs/web.md.
const ready = start();
window.leannet = {
  ready,
  classify: async (image, options) => {
    await ready;
    return network.classify(image, options);
  },
  detect: async (image, options) => {
    await ready;
    return network.detect(image, options);
  },
};

async function start() {
  try {
    about = await describe();
    view.showAbout(about);
    view.showSamples(about, HERE, pickSample);
    await fillChoices();
    await use("wasm", usualThreads());
  } catch (error) {
    view.showState("The network could not be loaded.");
    view.showProblem(error.message);
    throw error;
  }
  storeOffline();
  return about;
}

// The network

async function use(backend, threads) {
  view.enable(false);
  network?.close();
  const onProgress = ({ loaded, total }) => {
    const state = loaded < total ? `Loading ${view.megabytes(total)}` : "Starting the network";
    view.showState(state, { share: loaded / total });
  };
  view.showState("Loading", { share: 0 });
  network = await load({ backend, threads, onProgress });
  find("backend").value = backend;
  find("threads").value = String(network.threads);
  find("threads").disabled = backend !== "wasm" || mostThreads() === 1;
  if (network.threads < threads) find("how").textContent = `This browser allows ${network.threads} threads.`;
  view.enable(true);
  showReady();
}

function showReady() {
  if (network) view.showState(offline ? "Ready, also offline" : "Ready", { ready: true });
}

/** Fills the lists of backends and numbers of threads with those that this browser has. */
async function fillChoices() {
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
  explainThreads();
  find("backend").addEventListener("change", applyChoices);
  find("threads").addEventListener("change", applyChoices);
}

async function applyChoices() {
  stopCamera();
  view.showProblem();
  const backend = find("backend").value;
  try {
    await use(backend, Number(find("threads").value));
  } catch (error) {
    await use("wasm", usualThreads());
    view.showProblem(`${backend} could not run the network, so WebAssembly runs it again: ${error.message}`);
  }
}

function explainThreads() {
  const reloadHelps = !crossOriginIsolated && Boolean(navigator.serviceWorker?.controller);
  find("reload").hidden = !reloadHelps;
  if (crossOriginIsolated) find("how").textContent = "Small networks are often fastest with few threads.";
  else if (reloadHelps) find("how").textContent = "Reload the page to use several threads.";
  else if (isSecureContext) find("how").textContent = "One thread, because the page is not isolated from others yet.";
  else find("how").textContent = "Threads, the camera and offline use need https or localhost.";
}

/** Registers the service worker, which stores the site for use without a connection. */
function storeOffline() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  workers.register(new URL("../sw.js", HERE), { updateViaCache: "none" }).catch(() => {});
  workers.ready.then(() => {
    offline = true;
    if (!camera.running) showReady();
  });
  workers.addEventListener("controllerchange", explainThreads);
}

// Images

async function classify(image, name) {
  const number = ++newest;
  view.showProblem();
  view.clearSpoken();
  try {
    const result = await network.look(image);
    if (number === newest) view.showAnswer(result, about);
  } catch (error) {
    if (number !== newest) return;
    showNothing();
    const unreadable = error.name === "InvalidStateError" || error.name === "EncodingError";
    view.showProblem(unreadable ? `${name}: this browser cannot read it as an image.` : `${name}: ${error.message}`);
  }
}

function show(address, name) {
  stopCamera();
  view.clearBoxes();
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

function classifyFile(file) {
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
  classifyFile(find("file").files[0]);
  find("file").value = "";
});
find("stage").addEventListener("click", () => find("empty").hidden || find("choose").click());
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((item) => item.type.startsWith("image/"));
  if (file) classifyFile(file);
});
let entered = 0; // nested elements that a dragged file is over
document.addEventListener("dragenter", (event) => dragging(event, 1));
document.addEventListener("dragleave", (event) => dragging(event, -1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  dragging(event, -entered);
  classifyFile(event.dataTransfer.files[0]);
});

function dragging(event, change) {
  event.preventDefault();
  entered = Math.max(0, entered + change);
  find("stage").classList.toggle("dropping", entered > 0);
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
  if (camera.running) {
    newest++;
    view.clearBoxes();
  }
  camera.stop();
  find("video").hidden = true;
  find("turn").hidden = true;
  find("camera").textContent = "Start camera";
  find("empty").hidden = !find("image").hidden;
}

/** Classifies frame after frame, as fast as the network runs, until another image is asked for. */
async function watch(number) {
  let announced = "";
  let announcedAt = -Infinity;
  let rate = 0;
  let previous = performance.now();
  while (number === newest && camera.running) {
    try {
      const result = await network.look(find("video"));
      if (number !== newest) return;
      const now = performance.now();
      rate += ((1000 / (now - previous) || 0) - rate) * (rate ? 0.1 : 1);
      previous = now;
      const words = result.objects ? view.inWords(result) : result.prediction;
      const spoken = words !== announced && now - announcedAt > 2000; // or it would flood a screen reader
      if (spoken) [announced, announcedAt] = [words, now];
      view.showAnswer(result, about, { rate, spoken });
    } catch (error) {
      if (number !== newest) return;
      stopCamera();
      view.showProblem(error.message);
      return;
    }
    await new Promise(requestAnimationFrame); // pauses while the page is hidden
  }
  if (number === newest) stopCamera(); // it was unplugged or taken
}
