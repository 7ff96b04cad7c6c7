"use strict";
document.documentElement.classList.add("scripted");

// Tables whose columns sort: names become buttons.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, heads, column));
  });
}

function sort(table, heads, column) {
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    return isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
  };
  const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? order(a, b) : order(b, a)));
  table.tBodies[0].append(...rows);
}

// Heat maps: the cell below the pointer, or under the arrow keys, in words.
for (const heat of document.querySelectorAll(".heat")) {
  const { classes, cells } = JSON.parse(heat.querySelector("script").textContent);
  const [map, words] = [heat.querySelector(".map"), heat.querySelector("output")];
  const number = classes.length;
  const counts = new Map(cells.map(([truth, predicted, n]) => [truth * number + predicted, n]));
  const ofTruth = new Array(number).fill(0);
  const ofPrediction = new Array(number).fill(0);
  for (const [truth, predicted, n] of cells) {
    ofTruth[truth] += n;
    ofPrediction[predicted] += n;
  }
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.hidden = true;
  map.append(cursor);
  map.tabIndex = 0;
  map.setAttribute("role", "application");
  map.setAttribute("aria-label", "Confusion matrix. Arrow keys go from cell to cell, with Shift by ten.");
  words.textContent = "Point at a cell, touch it, or go there with the arrow keys, to read it here.";
  let [row, column] = [0, 0];

  const share = (n, all) => `${((100 * n) / Math.max(all, 1)).toFixed(1)} %`;
  const show = (y, x) => {
    [row, column] = [y, x].map((i) => Math.min(Math.max(i, 0), number - 1));
    const n = counts.get(row * number + column) ?? 0;
    const what = row === column ? "predicted correctly" : `taken for ${classes[column]}`;
    words.textContent = `${classes[row]} ${what}: ${n} of ${ofTruth[row]} (${share(n, ofTruth[row])}). `
      + `Of all predicted as ${classes[column]}: ${share(n, ofPrediction[column])}.`;
    const side = 100 / number;
    Object.assign(cursor.style, { left: `${column * side}%`, top: `${row * side}%`, width: `${side}%`, height: `${side}%` });
    cursor.hidden = false;
  };
  const point = (event) => {
    const box = map.getBoundingClientRect();
    const at = (value, start, size) => Math.floor(((value - start) / size) * number);
    show(at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width));
  };
  map.addEventListener("pointermove", point);
  map.addEventListener("pointerdown", point);
  map.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(row + moves[event.key][0], column + moves[event.key][1]);
  });
}
