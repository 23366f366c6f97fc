// SPDX-License-Identifier: MIT
// An I2S microphone wired to the emulated board, as an INMP441: 24 bits in slots of 32, driven by the firmware's own
// clocks. Whenever the clock begins it says a zero, which no driver takes whole, then a clip, and then zeros.
import { GPIOPinState } from 'rp2040js';
import { readWav } from './wav.mjs';

const SLOT_BITS = 24;
const PAUSE_NS = 2e6; // without a clock for so long, the next one is a new beginning

export class Microphone {
  /**
   * `options`: clip (a wav file of 16 kHz, mono, 16 bits, read at each beginning; null: a
   * minute of noise, the same each time), sck, ws, sd (pins), right (else it
   * speaks in the left slot), offset (added to every sample, in units of the 24 bits),
   * quiet (bits by which it speaks below full scale: what the driver's gain makes good).
   */
  constructor(mcu, options) {
    this.mcu = mcu;
    this.options = options;
    this.samples = new Int16Array(0);
    this.at = 0; // samples said
    this.word = 0;
    this.bit = SLOT_BITS;
    this.slot = null; // which one it is in: true for the right one
    this.ws = false;
    this.data = false;
    this.level = null; // of the pin
    this.last = -Infinity; // time of the clock's last rise, nanoseconds
    mcu.gpio[options.sck].addListener((state) => this._clock(state === GPIOPinState.High));
  }

  // WS is taken at the clock's rise and data changes at its fall, so that the first bit follows a change of WS by one
  // clock, whichever edge the firmware moves WS on: MicroPython takes the one, CircuitPython the other.
  _clock(high) {
    if (high) {
      const now = this.mcu.clock.nanosCounter;
      if (now - this.last > PAUSE_NS) this._begin();
      this.last = now;
      this.ws = this.mcu.gpio[this.options.ws].value === GPIOPinState.High;
      return;
    }
    if (this.slot !== this.ws) {
      this.slot = this.ws;
      this.bit = 0;
      if (this._mine) this.word = ((this.samples[this.at++] ?? 0) << (8 - this.options.quiet)) + this.options.offset;
    }
    this.data = this._mine && this.bit < SLOT_BITS && ((this.word >> (SLOT_BITS - 1 - this.bit)) & 1) === 1;
    this.bit += 1;
  }

  get _mine() {
    return this.slot === this.options.right;
  }

  /** Bring the pin up to date: a PIO step after the edge, as a real one's follows by some nanoseconds. */
  settle() {
    if (this.level === this.data) return;
    this.level = this.data;
    this.mcu.gpio[this.options.sd].setInputValue(this.data);
  }

  _begin() {
    this.samples = this.options.clip ? readWav(this.options.clip).samples : noise();
    this.at = -1;
    this.slot = null;
  }
}

function noise() {
  const samples = new Int16Array(60 * 16000);
  let seed = 1;
  for (let i = 0; i < samples.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    samples[i] = seed >> 19;
  }
  return samples;
}
