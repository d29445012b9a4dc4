// Applies prepare() or finish() to each message of a list on standard input, for
// tests/demo/test_page_pixels.py.
import { readFileSync } from "node:fs";

import { finish, prepare } from "../../../demo/browser/src/prepare.js";

const answer = ({ pixels, output, model, canvas, picture }) =>
  pixels
    ? prepare(pixels, model, canvas)
    : finish(Float32Array.from(output), model, canvas, picture);
const messages = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(messages.map((message) => [...answer(message)])));
