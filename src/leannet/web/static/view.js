// What the page shows, as functions of what is known. No state, and no markup from names: they are text.

const find = (id) => document.getElementById(id);

export function element(name, fields = {}, ...inside) {
  const made = Object.assign(document.createElement(name), fields);
  made.append(...inside);
  return made;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)}\u00a0ms`;

export function showState(text, { ready = false, share } = {}) {
  find("state").textContent = text;
  find("state").parentElement.classList.toggle("ready", ready);
  find("progress").hidden = share === undefined;
  if (share !== undefined) find("progress").value = share;
}

export function showProblem(text) {
  find("problem").hidden = !text;
  find("problem").textContent = text ?? "";
}

/** The likeliest classes with bars, the image as the network reads it, and what it took. */
export function showAnswer(result, about, { rate, spoken = true } = {}) {
  find("top").replaceChildren(
    ...result.top.map((each) => {
      const fill = element("i");
      fill.style.width = percent(each.probability).replace(" ", "");
      const bar = element("span", { className: "bar", ariaHidden: "true" }, fill);
      const name = element("span", { className: "name", title: each.class }, each.class);
      return element("li", {}, name, element("span", { className: "percent" }, percent(each.probability)), bar);
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

export function showNoAnswer() {
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
  for (const each of find("samples").querySelectorAll("button")) each.ariaPressed = String(each === button);
}

export function enable(on) {
  for (const each of document.querySelectorAll("#camera, #choose, #check, #samples button")) each.disabled = !on;
}

/** What the artifact says of itself. */
export function showAbout(about) {
  const { preprocessing: how, accuracy, provenance } = about;
  const ways = { crop: "the middle of the image", squash: "all of it, squashed", letterbox: "all of it, on grey" };
  const lines = [
    ["Architecture", about.name],
    ["Parameters", about.params.toLocaleString("en")],
    ["Multiply-adds", about.macs.toLocaleString("en")],
    ["File", `${megabytes(about.model.size_bytes)}, ${about.precision}`],
    ["Reads", `${how.width} × ${how.height} ${how.color === "L" ? "grey" : "color"}: ${ways[how.resize]}`],
    ["Accuracy", accuracy ? inWords(accuracy) : "not recorded"],
    ["Origin", provenance.origin],
    ["License", provenance.license ?? "none stated"],
  ];
  const entries = lines.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  find("about").replaceChildren(...entries);
  find("top").style.setProperty("--lines", Math.min(about.classes.length, 5));
  find("classes").textContent = about.classes.join(", ");
  find("made").textContent = `leannet ${about.leannet}, ${about.runtime} (MIT)`;
}

function inWords({ accuracy, low, high, images }) {
  const range = `95 % interval ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
  return `${percent(accuracy)} of ${images.toLocaleString("en")} images that it was not trained on (${range})`;
}

export function showChecked({ passed, difference, tolerance, images }) {
  const figures = `largest difference ${difference.toExponential(1)}, allowed ${tolerance}`;
  find("checked").textContent = passed
    ? `The same as at export on ${images} images: ${figures}.`
    : `DIFFERS from what was recorded at export: ${figures}.`;
}
