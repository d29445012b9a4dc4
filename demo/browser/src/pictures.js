/** Pictures that are opened, dropped or pasted. */

import { UserError } from "./errors.js";

export const MAX_BYTES = 64 * 2 ** 20;
export const MAX_PIXELS = 36e6;

/**
 * Decodes a file; the EXIF orientation is applied.
 *
 * @param {Blob & { name?: string }} file
 * @returns {Promise<ImageBitmap>}
 */
export async function decoded(file) {
  const name = file.name || "This";
  if (file.size > MAX_BYTES) {
    const size = Math.round(file.size / 2 ** 20);
    throw new UserError(`${name} is too large: ${size} MiB of at most ${MAX_BYTES / 2 ** 20}.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new UserError(`${name} is not a picture that this browser can read.`);
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) {
    bitmap.close();
    const limit = MAX_PIXELS / 1e6;
    throw new UserError(`${name} is too large: ${width} x ${height}, at most ${limit} megapixels.`);
  }
  return bitmap;
}

/**
 * Hands on the files that are dropped on an element or pasted into the page.
 *
 * @param {HTMLElement} target
 * @param {(file: File | null) => void} take null: there was no file in it
 */
export function onDropOrPaste(target, take) {
  const over = (/** @type {boolean} */ is) => target.classList.toggle("over", is);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", () => over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    take(event.dataTransfer?.files[0] ?? null);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData?.files[0] ?? null));
}
