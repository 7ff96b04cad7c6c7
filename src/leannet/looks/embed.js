"use strict";
// Both maps show the same images: what is chosen in one is ringed in the other.
const { planes, labels, said, sure, names, classes, styles, outlines, sprite } =
  JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const maps = [...document.querySelectorAll(".plane")];
const radius = names.length > 1200 ? 7 : names.length > 400 ? 9 : 13;
const hidden = new Set();
let onlyWrong = false;
let current = null;

const isWrong = (i) => said[i] !== labels[i];
const isShown = (i) => !hidden.has(labels[i]) && (!onlyWrong || isWrong(i));

const marks = maps.map((map, plane) => {
  const [xs, ys] = planes[plane];
  return names.map((_, i) => {
    const [color, shape] = styles[labels[i]];
    const mark = document.createElementNS(SVG, "path");
    mark.setAttribute("d", outlines[shape]);
    mark.setAttribute("transform", `translate(${xs[i]} ${ys[i]}) scale(${radius})`);
    mark.setAttribute("stroke", color);
    mark.setAttribute("fill", isWrong(i) ? "none" : color);
    return map.appendChild(mark);
  });
});
const rings = maps.map((map) => {
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("r", 2 * radius + 6);
  ring.style.display = "none";
  return map.appendChild(ring);
});

function redraw() {
  for (const drawn of marks) drawn.forEach((mark, i) => { mark.style.display = isShown(i) ? "" : "none"; });
}

function describe(i) {
  const verdict = isWrong(i) ? `taken for ${classes[said[i]]}` : "recognised";
  return `labelled ${classes[labels[i]]}, ${verdict} (${sure[i]} %)`;
}

function show(i, speak = false) {
  current = i;
  rings.forEach((ring, plane) => {
    ring.setAttribute("cx", planes[plane][0][i]);
    ring.setAttribute("cy", planes[plane][1][i]);
    ring.style.display = "";
  });
  const size = 72 / Math.max(sprite.width, sprite.height);
  const [width, height] = [sprite.width * size, sprite.height * size];
  const thumb = document.querySelector("#card .thumb");
  const rows = Math.ceil(sprite.count / sprite.columns);
  thumb.hidden = false;
  thumb.style.width = `${width}px`;
  thumb.style.height = `${height}px`;
  thumb.style.backgroundSize = `${width * sprite.columns}px ${height * rows}px`;
  thumb.style.backgroundPosition = `-${(i % sprite.columns) * width}px -${Math.floor(i / sprite.columns) * height}px`;
  document.getElementById("name").textContent = names[i];
  document.getElementById("words").textContent = describe(i);
  if (speak) document.getElementById("spoken").textContent = `${names[i]}, ${describe(i)}`;
}

// The shown image nearest to a place of a map.
function nearest(plane, x, y, most) {
  let [best, least] = [null, most * most];
  const [xs, ys] = planes[plane];
  for (let i = 0; i < names.length; i++) {
    const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (far < least && isShown(i)) [best, least] = [i, far];
  }
  return best;
}

// The next image in a direction: near, and not far off to the side.
function next(plane, dx, dy) {
  const [xs, ys] = planes[plane];
  let [best, least] = [null, Infinity];
  for (let i = 0; i < names.length; i++) {
    const ahead = (xs[i] - xs[current]) * dx + (ys[i] - ys[current]) * dy;
    const aside = Math.abs((xs[i] - xs[current]) * dy) + Math.abs((ys[i] - ys[current]) * dx);
    if (i === current || !isShown(i) || ahead <= 0 || aside > 2 * ahead) continue;
    if (ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
  }
  return best;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

maps.forEach((map, plane) => {
  const pick = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const reach = (event.type === "click" ? 28 : 14) / map.getScreenCTM().a;
    const found = nearest(plane, at.x, at.y, reach);
    if (found !== null) show(found);
  };
  map.addEventListener("click", pick);
  map.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") pick(event); });
  map.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way && event.key !== "Home") return;
    event.preventDefault();
    const begin = current === null || !isShown(current) || event.key === "Home";
    const found = begin ? names.findIndex((_, i) => isShown(i)) : next(plane, ...way);
    if (found !== null && found >= 0) show(found, true);
  });
});

const switches = [...document.querySelectorAll(".switch")];
const every = document.getElementById("every");

function turn(button, on) {
  button.setAttribute("aria-pressed", String(on));
  if (on) hidden.delete(Number(button.dataset.class));
  else hidden.add(Number(button.dataset.class));
}

function turned() {
  if (every) every.textContent = hidden.size ? "all" : "none";
  redraw();
}

for (const button of switches) {
  button.addEventListener("click", () => {
    turn(button, button.getAttribute("aria-pressed") !== "true");
    turned();
  });
}
every?.addEventListener("click", () => {
  const on = hidden.size > 0;
  for (const button of switches) turn(button, on);
  turned();
});
document.getElementById("wrong").addEventListener("change", (event) => {
  onlyWrong = event.target.checked;
  redraw();
});
for (const button of document.querySelectorAll("[data-point]")) {
  button.addEventListener("click", () => {
    show(Number(button.dataset.point), true);
    maps[maps.length - 1].scrollIntoView({ block: "center" });
    maps[maps.length - 1].focus({ preventScroll: true });
  });
}
