// What the page shows, as functions of their arguments. No state; names become text, never markup.

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
  find("top").replaceChildren(
    ...result.top.map((ranked) => {
      const fill = element("i");
      fill.style.width = percent(ranked.probability).replace(" ", "");
      const bar = element("span", { className: "bar", ariaHidden: "true" }, fill);
      const name = element("span", { className: "name", title: ranked.class }, ranked.class);
      return element("li", {}, name, element("span", { className: "percent" }, percent(ranked.probability)), bar);
    }),
  );
  if (spoken) find("spoken").textContent = `${result.prediction}, ${percent(result.probability)}`;
  showInput(result.input);
  const { decode, prepare, network } = result.milliseconds;
  const { width, height } = about.preprocessing;
  const lines = [
    `${result.width} × ${result.height} read as ${width} × ${height}`,
    `${decode ? `Decode ${milliseconds(decode)}, prepare` : "Prepare"} ${milliseconds(prepare)}`,
    `Network ${milliseconds(network)}${rate ? `, ${rate.toFixed(rate < 10 ? 1 : 0)} images a second` : ""}`,
  ];
  find("times").replaceChildren(...lines.map((line) => element("span", {}, line)));
}

/** Empties the one live region, so that the next answer is announced even if it is the same. */
export function clearSpoken() {
  find("spoken").textContent = "";
}

export function showNoAnswer() {
  clearSpoken();
  find("top").replaceChildren(element("li", { className: "none" }, "Nothing yet."));
  find("seen").hidden = true;
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
    ["Accuracy", accuracy ? accuracyText(accuracy) : "not recorded"],
    ["Origin", provenance.origin],
    ["License", provenance.license ?? "none stated"],
  ];
  const entries = lines.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  find("about").replaceChildren(...entries);
  find("top").style.setProperty("--lines", Math.min(about.classes.length, 5));
  find("classes").textContent = about.classes.join(", ");
  find("versions").textContent = `leannet ${about.leannet}, ${about.runtime} (MIT)`;
}

function accuracyText({ accuracy, low, high, images }) {
  const range = `95 % interval ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
  return `${percent(accuracy)} of ${images.toLocaleString("en")} images that it was not trained on (${range})`;
}

export function showChecked({ passed, difference, tolerance, images }) {
  const figures = `largest difference ${difference.toExponential(1)}, allowed ${tolerance}`;
  find("checked").textContent = passed
    ? `The same as at export on ${images} images: ${figures}.`
    : `DIFFERENT from the answers recorded at export: ${figures}.`;
}
