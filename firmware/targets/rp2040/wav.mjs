// SPDX-License-Identifier: MIT
// Sound for the microphones, from wav files of 16 bits and one channel.
import fs from 'node:fs';

const RATE = 24; // offset of it in a file whose first chunk is fmt, as ours is

/** Its samples (Int16Array) and their rate in Hz. */
export function readWav(path) {
  const file = fs.readFileSync(path);
  for (let at = 12; at + 8 <= file.length;) {
    const size = file.readUInt32LE(at + 4);
    if (file.toString('latin1', at, at + 4) === 'data') {
      const bytes = file.subarray(at + 8, at + 8 + (Math.min(size, file.length - at - 8) & ~1));
      return { samples: new Int16Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 1), rate: file.readUInt32LE(RATE) };
    }
    at += 8 + size + (size & 1);
  }
  throw new Error(`${path}: not a wav file`);
}
