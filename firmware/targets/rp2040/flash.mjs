// SPDX-License-Identifier: MIT
// The board's flash: a file of this computer, so that what is written there outlives the emulation.
import fs from 'node:fs';

export const FLASH_BYTES = 2 << 20;
const SECTOR = 4096;
const XIP = 0x10000000;
const UF2_BLOCK = 512;
const UF2_MAGIC = [0x0a324655, 0x9e5d5157, 0x0ab16f30]; // at 0, 4 and 508
const UF2_NOT_FLASH = 1;
const RP2040_FAMILY = 0xe48bff56;

export class Flash {
  /** `path`: see run.mjs. */
  constructor(path) {
    this.bytes = new Uint8Array(FLASH_BYTES).fill(0xff);
    this.changed = new Set(); // sectors
    this.file = null;
    if (path === undefined) return;
    this.file = fs.openSync(path, fs.existsSync(path) ? 'r+' : 'w+');
    const length = fs.fstatSync(this.file).size;
    if (length > FLASH_BYTES) throw new Error(`${path}: ${length} bytes; a Pico's flash has ${FLASH_BYTES}`);
    fs.readSync(this.file, this.bytes, 0, length, 0);
    if (length < FLASH_BYTES) fs.writeSync(this.file, this.bytes, length, FLASH_BYTES - length, length);
  }

  /** Write an image of UF2 blocks, as the boot loader's drive does. */
  load(uf2, name) {
    const view = new DataView(uf2.buffer, uf2.byteOffset, uf2.byteLength);
    const word = (at) => view.getUint32(at, true);
    let blocks = 0;
    for (let at = 0; at + UF2_BLOCK <= uf2.length; at += UF2_BLOCK) {
      if (word(at) !== UF2_MAGIC[0] || word(at + 4) !== UF2_MAGIC[1] || word(at + 508) !== UF2_MAGIC[2]) continue;
      if (word(at + 8) & UF2_NOT_FLASH || word(at + 28) !== RP2040_FAMILY) continue;
      const offset = word(at + 12) - XIP, length = word(at + 16);
      if (offset < 0 || length > 476 || offset + length > FLASH_BYTES) {
        throw new Error(`${name}: a block for address ${word(at + 12).toString(16)}, where a Pico has no flash`);
      }
      const data = uf2.subarray(at + 32, at + 32 + length);
      this.bytes.set(data, offset);
      if (this.file !== null) fs.writeSync(this.file, data, 0, length, offset);
      blocks += 1;
    }
    if (!blocks) throw new Error(`${name}: no UF2 image for the RP2040`);
  }

  /** Note that the word at `offset` of `memory`, the emulated flash, has changed. */
  touch(offset) {
    this.changed.add((offset / SECTOR) | 0);
  }

  /** Bring the file up to date with the emulated flash. */
  flush(memory) {
    for (const sector of this.changed) {
      if (this.file !== null && (sector + 1) * SECTOR <= FLASH_BYTES) {
        fs.writeSync(this.file, memory, sector * SECTOR, SECTOR, sector * SECTOR);
      }
    }
    this.changed.clear();
  }
}
