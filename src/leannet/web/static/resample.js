// Pillow's resize of 8-bit images, equal in every level: a horizontal and a vertical pass, with weights in fixed point,
// each rounded and clipped to 0..255. No browser is needed here.

const BITS = 22; // of a weight's fraction: 32 less 8 for a level and 2 for sums that overshoot
const HALF = 2 ** (BITS - 1);
const BLOCK_PIXELS = 2 ** 20; // read from an image at a time

const FILTERS = {
  bilinear: { reach: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { reach: 2, weight: cubic },
};

function cubic(signed) {
  const x = Math.abs(signed);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/**
 * The source pixels, and their weights, of each pixel of the result along one axis.
 * Returns {first, count, weights, most}: the weights of pixel i begin at i * most.
 */
export function taps(length, start, stop, outputLength, filter) {
  const { reach, weight } = FILTERS[filter];
  const from = Math.fround(start); // Pillow's boxes are floats of 32 bits
  const scale = Math.fround(Math.fround(stop) - from) / outputLength;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const [first, count] = [new Int32Array(outputLength), new Int32Array(outputLength)];
  const weights = new Int32Array(outputLength * most);
  for (let i = 0; i < outputLength; i++) {
    const center = from + (i + 0.5) * scale;
    const low = Math.max(Math.trunc(center - support + 0.5), 0);
    const high = Math.min(Math.trunc(center + support + 0.5), length);
    const exact = [];
    let total = 0;
    for (let x = low; x < high; x++) {
      exact.push(weight((x - center + 0.5) * (1 / stretch)));
      total += exact.at(-1);
    }
    first[i] = low;
    count[i] = high - low;
    exact.forEach((value, k) => {
      const fixed = (total === 0 ? value : value / total) * 2 ** BITS;
      weights[i * most + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
  }
  return { first, count, weights, most };
}

/** The taps of an axis that is not resized. */
function identityTaps(length) {
  const first = Int32Array.from({ length }, (_, i) => i);
  return { first, count: new Int32Array(length).fill(1), weights: new Int32Array(length).fill(2 ** BITS), most: 1 };
}

/**
 * Resizes a box of an image.
 *
 * source: {width, height, channels, stride, block(left, top, columns, rows)}; a block has `stride` bytes a pixel, of
 * which the first `channels` are used. size: [width, height] of the result. box: [left, top, right, bottom], fractions
 * allowed. filter: "bilinear" or "bicubic". Returns {data, width, height, channels}, data of (height, width, channels).
 */
export function resize(source, [width, height], box, filter) {
  const { channels } = source;
  const [left, top, right, bottom] = box;
  const across = axis(source.width, left, right, width, filter);
  const down = axis(source.height, top, bottom, height, filter);
  const resizePasses = verticalFirst(source, width, height) ? downAndAcross : acrossAndDown;
  return { data: resizePasses(source, across, down), width, height, channels };
}

/** Whether the vertical pass comes first, by the rule of Pillow 13 (earlier versions: never). It shows in clipped levels. */
function verticalFirst(source, width, height) {
  return height < source.height && source.height - height > 2 * (source.width - width);
}

function axis(length, start, stop, outputLength, filter) {
  const unchanged = outputLength === length && start === 0 && stop === length;
  return unchanged ? identityTaps(length) : taps(length, start, stop, outputLength, filter);
}

function acrossAndDown(source, across, down) {
  const { channels } = source;
  const [columns, rows] = [span(across), span(down)];
  const line = across.first.length * channels;
  const middle = new Uint8Array(rows.length * line);
  const step = Math.max(1, Math.floor(BLOCK_PIXELS / columns.length));
  for (let row = 0; row < rows.length; row += step) {
    const number = Math.min(step, rows.length - row);
    const block = source.block(columns.start, rows.start + row, columns.length, number);
    horizontal(block, source.stride, columns, across, number, middle.subarray(row * line), channels);
  }
  const resized = new Uint8Array(down.first.length * line);
  vertical(middle, channels, rows, down, across.first.length, resized, line, channels);
  return resized;
}

function downAndAcross(source, across, down) {
  const { channels } = source;
  const [columns, rows] = [span(across), span(down)];
  const height = down.first.length;
  const line = columns.length * channels;
  const middle = new Uint8Array(height * line);
  const step = Math.max(1, Math.floor(BLOCK_PIXELS / rows.length));
  for (let column = 0; column < columns.length; column += step) {
    const number = Math.min(step, columns.length - column);
    const block = source.block(columns.start + column, rows.start, number, rows.length);
    vertical(block, source.stride, rows, down, number, middle.subarray(column * channels), line, channels);
  }
  const resized = new Uint8Array(height * across.first.length * channels);
  horizontal(middle, channels, columns, across, height, resized, channels);
  return resized;
}

/** The source pixels of an axis that are needed. */
function span({ first, count }) {
  const start = first[0];
  return { start, length: first.at(-1) + count.at(-1) - start };
}

/** block: `rows` lines of the columns of a span, `stride` bytes a pixel. output: the resized lines. */
function horizontal(block, stride, columns, { first, count, weights, most }, rows, output, channels) {
  let place = 0;
  for (let row = 0; row < rows; row++) {
    const begin = row * columns.length - columns.start;
    for (let i = 0; i < first.length; i++) {
      const end = i * most + count[i];
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF;
        let pixel = (begin + first[i]) * stride + channel;
        for (let k = i * most; k < end; k++, pixel += stride) sum = (sum + block[pixel] * weights[k]) | 0;
        output[place++] = clipped(sum);
      }
    }
  }
}

/** block: the lines of a span, `width` pixels of `stride` bytes each. output: the resized lines, `line` bytes apart. */
function vertical(block, stride, rows, { first, count, weights, most }, width, output, line, channels) {
  const sums = new Int32Array(width * stride);
  for (let i = 0; i < first.length; i++) {
    sums.fill(HALF);
    for (let k = 0; k < count[i]; k++) {
      const weight = weights[i * most + k];
      const begin = (first[i] - rows.start + k) * sums.length;
      for (let x = 0; x < sums.length; x++) sums[x] += block[begin + x] * weight;
    }
    for (let x = 0, place = i * line; x < sums.length; x += stride) {
      for (let channel = 0; channel < channels; channel++) output[place++] = clipped(sums[x + channel]);
    }
  }
}

function clipped(sum) {
  const level = sum >> BITS;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}
