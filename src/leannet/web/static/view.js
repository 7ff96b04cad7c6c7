// What the page shows, as functions of their arguments. No state; names become text, never markup.

const MOST_LINES = 5;
const COLORS = ["#ffd60a", "#4cc9f0", "#f72585", "#80ed99", "#ff9f1c", "#b388ff"]; // of boxes, by class
const find = (id) => document.getElementById(id);

export function element(name, fields = {}, ...children) {
  const node = Object.assign(document.createElement(name), fields);
  node.append(...children);
  return node;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)}\u00a0ms`;

export function showState(text, { ready = false, share } = {}) {
  if (find("state").textContent !== text) find("state").textContent = text; // or it would be announced again
  find("state").parentElement.classList.toggle("ready", ready);
  find("progress").hidden = share === undefined;
  if (share !== undefined) find("progress").value = share;
}

export function showProblem(text) {
  find("problem").hidden = !text;
  find("problem").textContent = text ?? "";
}

/** Shows the most likely classes with bars, the image as the network reads it, and the times. */
export function showAnswer(result, about, { rate, spoken = true } = {}) {
  const lines = result.objects ? found(result.objects) : result.top.map((each) => [each.class, each.probability]);
  find("top").replaceChildren(
    ...lines.map(([label, share, count]) => {
      const fill = element("i");
      fill.style.width = percent(share).replace(" ", "");
      const bar = element("span", { className: "bar", ariaHidden: "true" }, fill);
      const name = element("span", { className: "name", title: label }, count ? `${count} × ${label}` : label);
      return element("li", {}, name, element("span", { className: "percent" }, percent(share)), bar);
    }),
  );
  if (!lines.length) find("top").append(element("li", { className: "none" }, "Nothing found."));
  showBoxes(result, about.classes);
  if (spoken) find("spoken").textContent = inWords(result);
  showInput(result.input);
  const { decode, prepare, network } = result.milliseconds;
  const { width, height } = about.preprocessing;
  const times = [
    `${result.width} × ${result.height} read as ${width} × ${height}`,
    `${decode ? `Decode ${milliseconds(decode)}, prepare` : "Prepare"} ${milliseconds(prepare)}`,
    `Network ${milliseconds(network)}${rate ? `, ${rate.toFixed(rate < 10 ? 1 : 0)} images a second` : ""}`,
  ];
  find("times").replaceChildren(...times.map((line) => element("span", {}, line)));
}

/** An answer in a few words, for a screen reader. */
export function inWords(result) {
  if (!result.objects) return `${result.prediction}, ${percent(result.probability)}`;
  const kinds = found(result.objects).map(([label, , count]) => `${count} ${label}`);
  return kinds.join(", ") || "nothing found";
}

/** For each class of objects its name, the highest score and the number, the most likely first. */
function found(objects) {
  const kinds = new Map();
  for (const { class: label, score } of objects) {
    const [, best, count] = kinds.get(label) ?? [label, 0, 0];
    kinds.set(label, [label, Math.max(best, score), count + 1]);
  }
  return [...kinds.values()].sort((one, other) => other[1] - one[1]).slice(0, MOST_LINES);
}

/** Draws the boxes of objects over the image; of a classifier there are none. */
function showBoxes({ objects = [], width, height }, classes) {
  const drawing = find("boxes");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const unit = Math.max(width, height) / 100;
  drawing.replaceChildren(
    ...objects.flatMap(({ class: label, score, box: [left, top, right, bottom] }) => {
      const color = COLORS[classes.indexOf(label) % COLORS.length];
      const fields = { x: left, y: top, width: right - left, height: bottom - top, stroke: color };
      const words = `${label} ${(100 * score).toFixed(0)} %`;
      const frame = shape("rect", fields, shape("title", {}, words));
      const at = { x: left, y: Math.max(top - 0.6 * unit, 2.2 * unit), "font-size": 2.4 * unit, fill: color };
      return [frame, shape("text", at, words)];
    }),
  );
}

function shape(name, fields, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(fields)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Empties the one live region, so that the next answer is announced even if it is the same. */
export function clearSpoken() {
  find("spoken").textContent = "";
}

export function showNoAnswer() {
  clearSpoken();
  find("top").replaceChildren(element("li", { className: "none" }, "Nothing yet."));
  find("seen").hidden = true;
  clearBoxes();
}

export function clearBoxes() {
  find("boxes").replaceChildren();
}

function showInput({ data, width, height, channels }) {
  const pixels = new ImageData(width, height);
  for (let i = 0, k = 0; i < width * height; i++, k += 4) {
    for (let channel = 0; channel < 3; channel++) pixels.data[k + channel] = data[i * channels + (channel % channels)];
    pixels.data[k + 3] = 255;
  }
  const canvas = find("input");
  Object.assign(canvas, { width, height });
  canvas.classList.toggle("coarse", Math.max(width, height) < 100);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  find("seen").hidden = false;
}

export function showSamples({ samples, samples_are: kind }, here, pick) {
  find("samples-title").textContent = kind === "images" ? "Samples" : "Test patterns";
  find("samples-hint").hidden = kind === "images";
  find("samples").replaceChildren(
    ...samples.map(({ file, name }) => {
      const image = element("img", { src: new URL(file, here).href, alt: "", loading: "lazy", decoding: "async" });
      const fields = { type: "button", ariaPressed: "false", disabled: true };
      const button = element("button", fields, image, element("span", { title: name }, name));
      button.addEventListener("click", () => pick(image.src, name, button));
      return element("li", {}, button);
    }),
  );
}

export function press(button) {
  for (const sample of find("samples").querySelectorAll("button")) sample.ariaPressed = String(sample === button);
}

export function enable(on) {
  for (const button of document.querySelectorAll("#camera, #choose, #check, #samples button")) button.disabled = !on;
}

/** Shows what the artifact says of itself. */
export function showAbout(about) {
  const { preprocessing, accuracy, provenance } = about;
  const { width, height, color, resize } = preprocessing;
  const areas = { crop: "the middle of the image", squash: "all of it, squashed", letterbox: "all of it, on grey" };
  const lines = [
    ["Architecture", about.name],
    ["Parameters", about.params.toLocaleString("en")],
    ["Multiply-adds", about.macs.toLocaleString("en")],
    ["File", `${megabytes(about.model.size_bytes)}, ${about.precision}`],
    ["Reads", `${width} × ${height} ${color === "L" ? "grey" : "color"}: ${areas[resize]}`],
    accuracy && "ap" in accuracy
      ? ["Precision", precisionText(accuracy)]
      : ["Accuracy", accuracy ? accuracyText(accuracy) : "not recorded"],
    ["Origin", provenance.origin],
    ["License", provenance.license ?? "none stated"],
  ];
  const entries = lines.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  find("about").replaceChildren(...entries);
  find("answer-title").textContent = about.task === "detect" ? "Found" : "Most likely";
  find("top").style.setProperty("--lines", Math.min(about.classes.length, 5));
  find("classes").textContent = about.classes.join(", ");
  find("versions").textContent = `leannet ${about.leannet}, ${about.runtime} (MIT)`;
}

function accuracyText({ accuracy, low, high, images }) {
  const range = `95 % interval ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
  return `${percent(accuracy)} of ${images.toLocaleString("en")} images that it was not trained on (${range})`;
}

function precisionText({ ap, ap50, images, objects }) {
  const of = objects ? `${objects.toLocaleString("en")} objects in ` : "";
  const first = ap50 === undefined ? "" : `AP50 ${percent(ap50)}, `;
  return `${first}AP ${percent(ap)}, of ${of}${images.toLocaleString("en")} images that it was not trained on`;
}

export function showChecked({ passed, difference, tolerance, images }) {
  const figures = `largest difference ${difference.toExponential(1)}, allowed ${tolerance}`;
  find("checked").textContent = passed
    ? `The same as at export on ${images} images: ${figures}.`
    : `DIFFERENT from the answers recorded at export: ${figures}.`;
}
