// SPDX-License-Identifier: MIT
// A PDM microphone wired to the emulated board: a bit for each period of the firmware's own clock, valid in one half.
// Whenever the clock begins it says its bits, or a clip, and then nothing.
import fs from 'node:fs';
import { GPIOPinState } from 'rp2040js';
import { readWav } from './wav.mjs';

const CLOCK = 2_048_000; // Hz, as the driver of firmware/app/port makes it
const PAUSE_NS = 2e6; // without a clock for so long, the next one is a new beginning

export class PdmMicrophone {
  /**
   * `options`: bits (a file, the first in the lowest place) or clip (a wav file, mono, 16 bits, of a rate that divides
   * the clock's), read at each beginning; clk, data (pins), right (it speaks while the clock is high), quiet (bits by
   * which a clip is below full scale: what the driver's gain makes good).
   */
  constructor(mcu, options) {
    this.mcu = mcu;
    this.options = options;
    this.next = () => false;
    this.data = false;
    this.level = null; // of the pin
    this.last = -Infinity; // time of the clock's last edge, nanoseconds
    mcu.gpio[options.clk].addListener((state) => this._clock(state === GPIOPinState.High));
  }

  // In the other half nobody drives the pin: here it is the opposite of what was said, so that a wrong half is heard.
  _clock(high) {
    const now = this.mcu.clock.nanosCounter;
    if (now - this.last > PAUSE_NS) this.next = this._begin();
    this.last = now;
    this.data = high === this.options.right ? this.next() : !this.data;
  }

  /** Bring the pin up to date: a PIO step after the edge, as a real one's follows by some nanoseconds. */
  settle() {
    if (this.level === this.data) return;
    this.level = this.data;
    this.mcu.gpio[this.options.data].setInputValue(this.data);
  }

  _begin() {
    return this.options.clip ? modulated(readWav(this.options.clip), this.options.quiet) : listed(this.options.bits);
  }
}

function listed(path) {
  const bits = fs.readFileSync(path);
  let at = 0;
  return () => {
    const bit = (bits[at >> 3] >> (at & 7)) & 1;
    at += 1;
    return bit === 1;
  };
}

// A modulator of second order; each sample is held for as many bits as it lasts.
function modulated({ samples, rate }, quiet) {
  const held = CLOCK / rate;
  const full = 32768 << quiet;
  let first = 0, second = 0, at = -1, left = 0, value = 0;
  return () => {
    if (left === 0) {
      left = held;
      value = (samples[++at] ?? 0) / full;
    }
    left -= 1;
    const bit = second >= 0;
    const fed = bit ? 1 : -1;
    first += value - fed;
    second += first - 2 * fed;
    return bit;
  };
}
