// Decodes grey PNGs of 16 bits, which browsers reduce to 8 bits in different ways. The range that the network was
// trained with becomes black to white, as in leannet's data/images.py.

const HEADER_BYTES = 25; // of the file, up to the color type in its IHDR chunk
const GREY = 0; // the color type

/** {data, width, height} of RGBA for a grey PNG of 16 bits; null for any other file. Raises Error for a damaged one. */
export async function deepGrey(bytes, [low, high]) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isPng = bytes.length > HEADER_BYTES + 8 && view.getUint32(0) === 0x89504e47 && view.getUint32(12) === 0x49484452;
  if (!isPng || bytes[24] !== 16 || bytes[25] !== GREY) return null;
  if (bytes[28]) throw new Error("an interlaced PNG of 16 bits cannot be read here");
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const lines = await inflate(bytes, view);
  if (lines.length < height * (2 * width + 1)) throw new Error("the PNG is cut off");
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  const span = high - low;
  let above = new Uint8Array(2 * width);
  for (let row = 0; row < height; row++) {
    const start = row * (2 * width + 1);
    const line = unfilter(lines[start], lines.subarray(start + 1, start + 1 + 2 * width), above);
    for (let column = 0; column < width; column++) {
      const value = Math.min(Math.max(256 * line[2 * column] + line[2 * column + 1], low), high);
      data.fill(Math.floor(((value - low) * 255) / span), 4 * (row * width + column), 4 * (row * width + column) + 3);
    }
    above = line;
  }
  return { data, width, height };
}

/** The image data of all IDAT chunks, decompressed. */
async function inflate(bytes, view) {
  const chunks = [];
  for (let begin = 8; begin + 12 <= bytes.length; ) {
    const [length, name] = [view.getUint32(begin), view.getUint32(begin + 4)];
    if (name === 0x49444154) chunks.push(bytes.slice(begin + 8, begin + 8 + length));
    begin += 12 + length;
  }
  const stream = new Blob(chunks).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undoes the filter of a line of two bytes a pixel (PNG specification, section 9). */
function unfilter(filter, line, above) {
  const pixels = new Uint8Array(line.length);
  for (let i = 0; i < line.length; i++) {
    const left = i < 2 ? 0 : pixels[i - 2];
    const corner = i < 2 ? 0 : above[i - 2];
    const guess = [0, left, above[i], (left + above[i]) >> 1, filter === 4 ? paeth(left, above[i], corner) : 0][filter];
    pixels[i] = line[i] + guess;
  }
  return pixels;
}

function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}
