// RGB frames as small pictures, and how alike two of them are. Node and the browser's worker both run this very code,
// so that what differs is the decoding.

/** The longer side of a thumbnail, in pixels. */
const LONGEST_SIDE = 64;

function thumbnailSize(width, height) {
  const longest = Math.max(width, height);
  const side = Math.min(LONGEST_SIDE, longest);
  return [width, height].map((length) => Math.max(1, Math.floor((length * side) / longest)));
}

/** `rgb` is `[height, width, 3]`; each pixel that comes out is the mean of the pixels that it covers, however little. */
export function thumbnail(rgb, width, height) {
  const [columns, rows] = thumbnailSize(width, height);
  const small = new Uint8Array(columns * rows * 3);
  for (let row = 0, to = 0; row < rows; row += 1) {
    const [top, bottom] = covered(row, rows, height);
    for (let column = 0; column < columns; column += 1) {
      const [left, right] = covered(column, columns, width);
      let [red, green, blue] = [0, 0, 0];
      for (let y = top; y < bottom; y += 1) {
        const end = (y * width + right) * 3;
        for (let from = (y * width + left) * 3; from < end; from += 3) {
          red += rgb[from];
          green += rgb[from + 1];
          blue += rgb[from + 2];
        }
      }
      const count = (bottom - top) * (right - left);
      small[to++] = Math.round(red / count);
      small[to++] = Math.round(green / count);
      small[to++] = Math.round(blue / count);
    }
  }
  return small;
}

function covered(index, count, length) {
  return [Math.floor((index * length) / count), Math.ceil(((index + 1) * length) / count)];
}

/** Mean squared difference of two thumbnails of one size. */
export function meanSquare(one, two) {
  let sum = 0;
  for (let index = 0; index < one.length; index += 1) sum += (one[index] - two[index]) ** 2;
  return sum / one.length;
}

/** Peak signal to noise ratio, in dB; 100 where nothing differs. */
export function decibels(meanSquare) {
  return Math.min(100, 10 * Math.log10(255 ** 2 / Math.max(meanSquare, 1e-9)));
}
