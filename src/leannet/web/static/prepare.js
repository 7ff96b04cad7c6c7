// Prepares an image file for the network, as leannet's data/images.py does with Pillow.

import { bare } from "./bare.js";
import { deepGrey } from "./deep.js";
import { resize } from "./resample.js";

const GREY = 128; // around a letterboxed image
const ULPS = 1e-6; // so that 224 / (224 / 232), which is less than 232 in floating point, is not 231

// For each orientation the canvas transform: a, b, c, d, then e and f, each in widths and heights of the stored image.
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

/** The pixels of an image file as stored, and its orientation: {bitmap, orientation}. */
export async function decode(blob, preprocessing) {
  const { orientation, bytes } = bare(new Uint8Array(await blob.arrayBuffer()));
  const options = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const deep = await deepGrey(bytes, preprocessing.grey_range);
  const source = deep ? new ImageData(deep.data, deep.width, deep.height) : new Blob([bytes], { type: blob.type });
  const bitmap = await createImageBitmap(source, options);
  return { bitmap, orientation };
}

/**
 * The network's input image from a decoded one, and where the image lies in it: {input, place}. input: {data, width,
 * height, channels}, data (H, W, C) of 0..255. place: {width, height, scale, offset} of the upright image: a point of
 * it is at scale * (x, y) + offset in the input.
 */
export function prepare(bitmap, orientation, preprocessing) {
  const source = upright(bitmap, preprocessing.exif_orientation ? orientation : 1, preprocessing);
  const { size, box, at } = plan(source.width, source.height, preprocessing);
  const scale = [size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])];
  const offset = [at[0] - box[0] * scale[0], at[1] - box[1] * scale[1]];
  const place = { width: source.width, height: source.height, scale, offset };
  return { input: pad(resize(source, size, box, preprocessing.interpolation), at, preprocessing), place };
}

/** A source of pixels for `resize`: the image upright, over the background, in the network's colors. */
export function upright(bitmap, orientation, { background, color }) {
  const [a, b, c, d, eWidth, eHeight, fWidth, fHeight] = TURNS[orientation];
  const [width, height] = a ? [bitmap.width, bitmap.height] : [bitmap.height, bitmap.width];
  const right = eWidth * bitmap.width + eHeight * bitmap.height;
  const below = fWidth * bitmap.width + fHeight * bitmap.height;
  let canvas;
  let context;

  function block(left, top, columns, rows) {
    if (canvas?.width !== columns || canvas.height !== rows) {
      canvas = new OffscreenCanvas(columns, rows);
      context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
      context.imageSmoothingEnabled = false;
      context.fillStyle = `rgb(${background.join(" ")})`;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillRect(0, 0, columns, rows);
    context.setTransform(a, b, c, d, right - left, below - top);
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, columns, rows);
    return color === "L" ? luma(data) : data;
  }

  const grey = color === "L";
  return { width, height, channels: grey ? 1 : 3, stride: grey ? 1 : 4, block };
}

/** RGBA to grey as Pillow does. */
export function luma(data) {
  const grey = new Uint8Array(data.length / 4);
  for (let i = 0, k = 0; i < grey.length; i++, k += 4) {
    grey[i] = (data[k] * 19595 + data[k + 1] * 38470 + data[k + 2] * 7471 + 0x8000) >> 16;
  }
  return grey;
}

/** Which box to resize to which size, and where to paste it: {size, box, at}. */
export function plan(width, height, preprocessing) {
  const frame = [preprocessing.width, preprocessing.height];
  const whole = [0, 0, width, height];
  if (preprocessing.resize === "squash") return { size: frame, box: whole, at: [0, 0] };
  const crop = { crop: middle, "center-crop": centerCrop }[preprocessing.resize];
  if (crop) return { size: frame, box: crop(width, height, preprocessing), at: [0, 0] };
  const [ratio, frameRatio] = [width / height, frame[0] / frame[1]];
  const size = [...frame];
  if (ratio > frameRatio) size[1] = Math.max(1, roundHalfEven((height / width) * frame[0]));
  if (ratio < frameRatio) size[0] = Math.max(1, roundHalfEven((width / height) * frame[1]));
  return { size, box: whole, at: size.map((length, axis) => roundHalfEven((frame[axis] - length) * 0.5)) };
}

function middle(width, height, preprocessing) {
  const side = Math.min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop_ratio;
  const [across, down] = [side * preprocessing.width, side * preprocessing.height];
  const [left, top] = [(width - across) / 2, (height - down) / 2];
  return [Math.max(left, 0), Math.max(top, 0), Math.min(left + across, width), Math.min(top + down, height)];
}

/** What is left after torchvision's Resize and CenterCrop. */
function centerCrop(width, height, preprocessing) {
  const frame = [preprocessing.width, preprocessing.height];
  let [wide, high] = frame.map((side) => Math.floor(side / preprocessing.crop_ratio + ULPS));
  if (wide * height >= high * width) high = Math.floor((wide * height) / width);
  else wide = Math.floor((high * width) / height);
  const [left, top] = [roundHalfEven((wide - frame[0]) / 2), roundHalfEven((high - frame[1]) / 2)];
  const [across, down] = [width / wide, height / high];
  const [right, bottom] = [(left + frame[0]) * across, (top + frame[1]) * down];
  return [left * across, top * down, Math.min(right, width), Math.min(bottom, height)];
}

/** The nearest integer, halves to the even one, as in Python. */
function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

function pad(image, [left, top], preprocessing) {
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
  const floats = new Float32Array(data.length);
  const pixels = width * height;
  for (let channel = 0; channel < channels; channel++) {
    const values = new Float32Array(256);
    for (let level = 0; level < 256; level++) {
      const centered = Math.fround(Math.fround(level * Math.fround(scale)) - Math.fround(mean[channel]));
      values[level] = centered / Math.fround(std[channel]);
    }
    for (let i = 0; i < pixels; i++) floats[channel * pixels + i] = values[data[i * channels + channel]];
  }
  return floats;
}
