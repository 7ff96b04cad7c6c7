// From an image file to what the network reads, as leannet's data/images.py does it with Pillow.

import { bare } from "./bare.js";
import { deepGrey } from "./deep.js";
import { resize } from "./resample.js";

const GREY = 128; // around a letterboxed image

// Of each orientation: the canvas transform (a, b, c, d, and e, f in widths and heights of the file's image).
const TURNS = {
  1: [1, 0, 0, 1, 0, 0, 0, 0],
  2: [-1, 0, 0, 1, 1, 0, 0, 0],
  3: [-1, 0, 0, -1, 1, 0, 0, 1],
  4: [1, 0, 0, -1, 0, 0, 0, 1],
  5: [0, 1, 1, 0, 0, 0, 0, 0],
  6: [0, 1, -1, 0, 0, 1, 0, 0],
  7: [0, -1, -1, 0, 0, 1, 1, 0],
  8: [0, -1, 1, 0, 0, 0, 1, 0],
};

/** An image file's pixels as they lie in the file, and how to turn them: {bitmap, orientation}. */
export async function decode(blob, preprocessing) {
  const { orientation, bytes } = bare(new Uint8Array(await blob.arrayBuffer()));
  const options = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const deep = await deepGrey(bytes, preprocessing.grey_range);
  const source = deep ? new ImageData(deep.data, deep.width, deep.height) : new Blob([bytes], { type: blob.type });
  const bitmap = await createImageBitmap(source, options);
  return { bitmap, orientation };
}

/** A decoded image as the network's image: {data, width, height, channels}, data (H, W, C) of 0..255. */
export function prepare(bitmap, orientation, preprocessing) {
  const source = upright(bitmap, preprocessing.exif_orientation ? orientation : 1, preprocessing);
  const { size, box, at } = plan(source.width, source.height, preprocessing);
  return padded(resize(source, size, box, preprocessing.interpolation), at, preprocessing);
}

/** The pixels of an image turned upright, over the background and in the network's colors, for `resize`. */
export function upright(bitmap, orientation, { background, color }) {
  const [a, b, c, d, eWidth, eHeight, fWidth, fHeight] = TURNS[orientation];
  const [width, height] = a ? [bitmap.width, bitmap.height] : [bitmap.height, bitmap.width];
  const right = eWidth * bitmap.width + eHeight * bitmap.height;
  const below = fWidth * bitmap.width + fHeight * bitmap.height;
  let canvas;
  let pen;

  function block(left, top, columns, rows) {
    if (canvas?.width !== columns || canvas.height !== rows) {
      canvas = new OffscreenCanvas(columns, rows);
      pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
      pen.imageSmoothingEnabled = false;
      pen.fillStyle = `rgb(${background.join(" ")})`;
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillRect(0, 0, columns, rows);
    pen.setTransform(a, b, c, d, right - left, below - top);
    pen.drawImage(bitmap, 0, 0);
    const { data } = pen.getImageData(0, 0, columns, rows);
    return color === "L" ? luma(data) : data;
  }

  const grey = color === "L";
  return { width, height, channels: grey ? 1 : 3, stride: grey ? 1 : 4, block };
}

/** RGBA to grey as Pillow does. */
export function luma(data) {
  const made = new Uint8Array(data.length / 4);
  for (let i = 0, k = 0; i < made.length; i++, k += 4) {
    made[i] = (data[k] * 19595 + data[k + 1] * 38470 + data[k + 2] * 7471 + 0x8000) >> 16;
  }
  return made;
}

/** What to cut and to which size, and where the result lies: {size, box, at}. Raises RangeError for a mere line. */
export function plan(width, height, preprocessing) {
  const wanted = [preprocessing.width, preprocessing.height];
  const whole = [0, 0, width, height];
  if (preprocessing.resize === "squash") return { size: wanted, box: whole, at: [0, 0] };
  if (preprocessing.resize === "crop") return { size: wanted, box: middle(width, height, preprocessing), at: [0, 0] };
  const [ratio, goal] = [width / height, wanted[0] / wanted[1]];
  const size = [...wanted];
  if (ratio > goal) size[1] = rounded((height / width) * wanted[0]);
  if (ratio < goal) size[0] = rounded((width / height) * wanted[1]);
  if (!size[0] || !size[1]) throw new RangeError(`an image of ${width} x ${height} is too thin to be resized`);
  return { size, box: whole, at: size.map((length, axis) => rounded((wanted[axis] - length) * 0.5)) };
}

function middle(width, height, preprocessing) {
  const side = Math.min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop_ratio;
  const [across, down] = [side * preprocessing.width, side * preprocessing.height];
  const [left, top] = [(width - across) / 2, (height - down) / 2];
  return [Math.max(left, 0), Math.max(top, 0), Math.min(left + across, width), Math.min(top + down, height)];
}

/** To the nearest integer, halves to the even one, as Python does. */
function rounded(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

function padded(image, [left, top], preprocessing) {
  const { width, height } = preprocessing;
  if (image.width === width && image.height === height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels).fill(GREY);
  const line = image.width * channels;
  for (let row = 0; row < image.height; row++) {
    data.set(image.data.subarray(row * line, (row + 1) * line), ((top + row) * width + left) * channels);
  }
  return { data, width, height, channels };
}

/** (H, W, C) of 0..255 as (C, H, W) of float32, scaled and normalized as in training. */
export function asFloats({ data, width, height, channels }, { scale, mean, std }) {
  const made = new Float32Array(data.length);
  const number = width * height;
  for (let channel = 0; channel < channels; channel++) {
    const values = new Float32Array(256);
    for (let level = 0; level < 256; level++) {
      const centered = Math.fround(Math.fround(level * Math.fround(scale)) - Math.fround(mean[channel]));
      values[level] = centered / Math.fround(std[channel]);
    }
    for (let i = 0; i < number; i++) made[channel * number + i] = values[data[i * channels + channel]];
  }
  return made;
}
