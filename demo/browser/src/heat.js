/** Maps as colours. The table comes from the Python package (build_page.py writes colours.json). */

/**
 * The table as RGBA, to be seen alone.
 *
 * @param {number[][]} table 256 colours, red first
 * @returns {number[][]}
 */
export const opaque = (table) => table.map((colour) => [...colour, 255]);

/**
 * The table as RGBA, to be laid over a picture: where people look the colours cover it, elsewhere
 * it shows through (heat_overlay in sor_ppa/visualization/heat_maps.py).
 *
 * @param {number[][]} table 256 colours, red first
 * @returns {number[][]}
 */
export const veiled = (table) =>
  table.map((colour, index) => {
    const value = index / 255;
    return [...colour, Math.round(255 * (0.3 + (0.7 * value) / (value + 0.1)))];
  });

/**
 * @param {Float32Array} map 0 ... 1
 * @param {number[][]} table 256 colours, RGBA
 * @returns {Uint8ClampedArray} RGBA, four numbers for each of the map's
 */
export function coloured(map, table) {
  const rgba = new Uint8ClampedArray(4 * map.length);
  // A word a pixel; written as bytes first, so that the machine's order of bytes does not matter.
  const bytes = Uint8Array.from(table.flat());
  const words = new Uint32Array(bytes.buffer);
  const pixels = new Uint32Array(rgba.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = words[level(map[i])];
  return rgba;
}

/**
 * @param {number} value 0 ... 1; what lies outside becomes the nearer end
 * @returns {number} row of the table, 0 ... 255
 */
export function level(value) {
  return Math.round(255 * Math.min(Math.max(value, 0), 1));
}
