// SPDX-License-Identifier: MIT
// A PDM microphone wired to the emulated board: a bit for each period of the firmware's own clock, valid in one half.
import fs from 'node:fs';
import { GPIOPinState } from 'rp2040js';

export class PdmMicrophone {
  /** `options`: bits (a file, the first in the lowest place), clk, data (pins), right (it speaks while the clock is high). */
  constructor(mcu, options) {
    this.mcu = mcu;
    this.options = options;
    this.bits = fs.readFileSync(options.bits);
    this.at = -1;
    this.data = false;
    this.level = null; // of the pin
    mcu.gpio[options.clk].addListener((state) => this._clock(state === GPIOPinState.High));
  }

  // In the other half nobody drives the pin: here it is the opposite of what was said, so that a wrong half is heard.
  _clock(high) {
    if (high === this.options.right) {
      this.at += 1;
      this.data = ((this.bits[this.at >> 3] >> (this.at & 7)) & 1) === 1;
    } else this.data = !this.data;
  }

  /** Bring the pin up to date: a PIO step after the edge, as a real one's follows by some nanoseconds. */
  settle() {
    if (this.level === this.data) return;
    this.level = this.data;
    this.mcu.gpio[this.options.data].setInputValue(this.data);
  }
}
