/** The webcam, and plain words for why there is none. */

import { UserError } from "./errors.js";

const REASONS = new Map([
  ["NotAllowedError", "The webcam was not allowed: permit it in the browser's address bar."],
  ["NotFoundError", "There is no webcam on this device."],
  ["OverconstrainedError", "There is no webcam that can show 640 x 480 pictures."],
  ["NotReadableError", "The webcam cannot be read: another program may be using it."],
]);

/** An open webcam; `close` it to let go of it. */
export class Camera {
  /** @param {MediaStream} stream */
  constructor(stream) {
    this.stream = stream;
    this.video = document.createElement("video");
    this.video.srcObject = stream;
    this.video.muted = true;
    this.video.playsInline = true;
  }

  /**
   * @param {() => void} ended called when the webcam goes away by itself (unplugged, forbidden)
   * @returns {Promise<Camera>} with its first picture there
   */
  static async open(ended) {
    const devices = navigator.mediaDevices;
    if (!devices) {
      throw new UserError("Browsers give the webcam only to pages from https:// or localhost.");
    }
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "environment" };
    let stream;
    try {
      stream = await devices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      throw new UserError(REASONS.get(name) ?? `The webcam does not open: ${error}`);
    }
    const camera = new Camera(stream);
    stream.getVideoTracks().forEach((track) => track.addEventListener("ended", ended));
    await camera.video.play();
    return camera;
  }

  /** @returns {Promise<ImageBitmap>} what it sees now */
  frame() {
    return createImageBitmap(this.video);
  }

  /** Lets go of the webcam. */
  close() {
    this.stream.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }
}
