// Removes from an image file what makes browsers rotate it or change its colors, since they differ in how they do it,
// and reads its orientation as Pillow does. Nothing is decoded, and no browser is needed here.

const ORIENTATION = 0x0112;
const SIZES = { 1: 1, 3: 2, 4: 4 }; // bytes of a TIFF value: byte, short, long
const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const PROFILE = "ICC_PROFILE\0";
const COLORS = ["iCCP", "gAMA", "cHRM", "sRGB", "cICP"]; // chunks of a PNG
const HAS_PROFILE = 0x20; // in the flags of a WebP

/** {orientation, bytes}: 1 to 8 as in EXIF, and the file without it. `file` (Uint8Array) itself is not changed. */
export function bare(file) {
  const bytes = file.slice();
  const segments = segmentsOf(bytes);
  let orientation;
  for (const { start, stop } of segments.filter(({ kind }) => kind === "exif")) {
    const entry = orientationEntry(bytes, start, stop);
    if (!entry) continue;
    orientation ??= entry.value;
    entry.reset();
  }
  for (const { start, stop } of segments.filter(({ kind }) => kind === "xmp")) {
    const match = /tiff:Orientation(?:="|>)([0-9])/.exec(text(bytes, start, stop));
    if (match) orientation ??= Number(match[1]);
  }
  const cuts = segments.filter(({ end }) => end !== undefined);
  return { orientation: orientation >= 1 && orientation <= 8 ? orientation : 1, bytes: without(bytes, cuts) };
}

/** The segments of a file that matter: {kind, start, stop}, and {begin, end} of those that can be cut out. */
function segmentsOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return [...jpeg(bytes)];
  if (text(bytes, 1, 4) === "PNG") return [...png(bytes)];
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return [...webp(bytes)];
  return [];
}

function* jpeg(bytes) {
  let begin = 2;
  while (begin + 4 <= bytes.length && bytes[begin] === 0xff) {
    const marker = bytes[begin + 1];
    if (marker === 0xff) {
      begin += 1; // padding
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return;
    const start = begin + 4;
    const stop = Math.max(start, begin + 2 + bytes[begin + 2] * 256 + bytes[begin + 3]);
    const starts = (name) => text(bytes, start, start + name.length) === name;
    if (marker === 0xe1 && starts(EXIF)) yield { kind: "exif", start: start + EXIF.length, stop };
    if (marker === 0xe1 && starts(XMP)) yield { kind: "xmp", start: start + XMP.length, stop };
    if (marker === 0xe2 && starts(PROFILE)) yield { kind: "color", begin, end: stop };
    begin = stop;
  }
}

function* png(bytes) {
  const view = viewOf(bytes);
  for (let begin = 8; begin + 12 <= bytes.length; ) {
    const name = text(bytes, begin + 4, begin + 8);
    const [start, stop] = [begin + 8, begin + 8 + view.getUint32(begin)];
    const end = stop + 4;
    if (end > bytes.length) return;
    if (name === "eXIf") yield { kind: "exif", start, stop, begin, end }; // it has a checksum, so all of it is cut out
    if (name === "iTXt" && text(bytes, start, start + 17) === "XML:com.adobe.xmp") yield { kind: "xmp", start, stop };
    if (COLORS.includes(name)) yield { kind: "color", begin, end };
    begin = end;
  }
}

function* webp(bytes) {
  const view = viewOf(bytes);
  for (let begin = 12; begin + 8 <= bytes.length; ) {
    const name = text(bytes, begin, begin + 4);
    const size = view.getUint32(begin + 4, true);
    const [start, stop] = [begin + 8, Math.min(begin + 8 + size, bytes.length)];
    const prefix = text(bytes, start, start + EXIF.length) === EXIF ? EXIF.length : 0;
    if (name === "VP8X") bytes[start] &= ~HAS_PROFILE;
    if (name === "ICCP") bytes.set([0x58, 0x58, 0x58, 0x58], begin); // a name that no reader knows
    if (name === "EXIF") yield { kind: "exif", start: start + prefix, stop };
    if (name === "XMP ") yield { kind: "xmp", start, stop };
    begin += 8 + size + (size % 2);
  }
}

/** The orientation in the first directory of a TIFF: {value, reset()}; reset() sets it to 1. Null if there is none. */
function orientationEntry(bytes, start, stop) {
  const little = text(bytes, start, start + 2) === "II";
  if (!little && text(bytes, start, start + 2) !== "MM") return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, Math.max(0, Math.min(stop, bytes.length) - start));
  const directory = view.byteLength < 8 ? view.byteLength : view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return null;
  const after = directory + 2 + 12 * view.getUint16(directory, little);
  for (let place = directory + 2; place < after && place + 12 <= view.byteLength; place += 12) {
    const size = SIZES[view.getUint16(place + 2, little)];
    if (view.getUint16(place, little) !== ORIENTATION || !size) continue;
    const [kind, at] = [`Uint${8 * size}`, place + 8];
    return { value: view[`get${kind}`](at, little), reset: () => view[`set${kind}`](at, 1, little) };
  }
  return null;
}

function without(bytes, cuts) {
  const pieces = [];
  let place = 0;
  for (const { begin, end } of cuts) {
    pieces.push(bytes.subarray(place, begin));
    place = end;
  }
  pieces.push(bytes.subarray(place));
  const remaining = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    remaining.set(piece, offset);
    offset += piece.length;
  }
  return remaining;
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function text(bytes, start, stop) {
  let string = "";
  for (let place = start; place < Math.min(stop, bytes.length); place++) string += String.fromCharCode(bytes[place]);
  return string;
}
