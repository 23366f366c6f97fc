// SPDX-License-Identifier: MIT
// The chip with its flash: power-on, resets, and the loop in which its time passes.
import { ConsoleLogger, LogLevel, RP2040 } from 'rp2040js';
import { Fault } from './bus.mjs';
import { Cortex } from './cortex.mjs';
import { Cache } from './counters.mjs';
import { Microphone } from './mic.mjs';
import { PdmMicrophone } from './pdm.mjs';
import { PioClock } from './pio.mjs';

const XIP = 0x10000000;
const ROM_STACK = 0x20042000;
const ROSC_RANDOM_BIT = 0x1c;
const GPIO_HI_IN = 8;
const QSPI_HIGH = 0x3f;
const FIFO_ST = 0x50;
const FIFO_ROOM = 2;
const FIFO_VALID = 1;
const FIFO_RD = 0x58;
const PSM_PROC1 = 1 << 16;
const BOOTSEL = 'breakpoint 66'; // what the ROM stand-in does where a real ROM enters its boot loader

export class Board {
  /**
   * `rom`: the mask ROM's bytes. `onPower(mcu)`: here is a chip, not yet started; a reset makes a new one. `mic`:
   * (Pdm)Microphone's; null: none. `cached`: whether accesses to flash are counted.
   */
  constructor(rom, flash, mic, cached, onPower) {
    this.rom = new Uint32Array(4096);
    new Uint8Array(this.rom.buffer).set(rom);
    this.flash = flash;
    this.micOptions = mic;
    this.cached = cached;
    this.onPower = onPower;
    this.random = 0x2545f491;
    this._power(flash.bytes);
  }

  /** Time since power-on, nanoseconds. */
  get nanos() {
    return this.before + this.mcu.clock.nanosCounter;
  }

  /** Whether the processor waits for something to happen. */
  get idle() {
    return this.mcu.core.waiting;
  }

  _power(bytes, watchdog) {
    this.before = this.mcu ? this.nanos : 0;
    this.resetting = false;
    const mcu = (this.mcu = new RP2040());
    mcu.logger = new ConsoleLogger(LogLevel.Error);
    mcu.loadBootrom(this.rom);
    mcu.flash.set(bytes, 0);
    mcu.core.SP = ROM_STACK;
    mcu.core.LR = 0; // so that the second stage goes on to the firmware
    mcu.core.PC = XIP;
    this._mend(mcu, watchdog);
    this.cortex = new Cortex(mcu, (offset) => this.flash.touch(offset), this.cached ? new Cache() : null);
    const Kind = this.micOptions && 'clk' in this.micOptions ? PdmMicrophone : Microphone;
    const mic = this.micOptions && new Kind(mcu, this.micOptions);
    this.pio = new PioClock(mcu, () => mic?.settle());
    this.onPower(mcu);
  }

  // What rp2040js leaves out and firmware waits for.
  _mend(mcu, before) {
    const by = (name) => Object.values(mcu.peripherals).find((each) => each.name === name);
    const rosc = by('ROSC_BASE');
    const readRosc = rosc.readUint32.bind(rosc);
    rosc.readUint32 = (offset) => (offset === ROSC_RANDOM_BIT ? this._bit() : readRosc(offset));
    // The flash's chip select is high: low reads as a pressed BOOT button. The second core does nothing, but after its
    // reset it says so, as its ROM does.
    const psm = by('PSM_BASE');
    const writePsm = psm.writeUint32.bind(psm);
    let word = false; // from the second core
    psm.writeUint32 = (offset, value) => {
      const off = psm.frceOff;
      writePsm(offset, value);
      word ||= (off & ~psm.frceOff & PSM_PROC1) !== 0;
    };
    const readSio = mcu.sio.readUint32.bind(mcu.sio);
    mcu.sio.readUint32 = (offset) => {
      if (offset === GPIO_HI_IN) return QSPI_HIGH;
      if (offset === FIFO_ST) return FIFO_ROOM | (word ? FIFO_VALID : 0);
      if (offset !== FIFO_RD) return readSio(offset);
      word = false;
      return 0;
    };
    const watchdog = by('WATCHDOG_BASE');
    if (before) {
      watchdog.reason = before.reason;
      watchdog.scratchData.set(before.scratchData);
    }
    watchdog.onWatchdogTrigger = () => {
      this.resetting = watchdog;
    };
  }

  // The ring oscillator's random bit: the same sequence in every run.
  _bit() {
    this.random ^= this.random << 13;
    this.random ^= this.random >>> 17;
    this.random ^= this.random << 5;
    return this.random & 1;
  }

  /** Let about that many cycles pass. */
  run(cycles) {
    try {
      this.cortex.run(cycles, this.pio);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw this._explained(error);
    }
    if (this.flash.changed.size) this.flash.flush(this.mcu.flash);
    if (this.resetting) {
      this._power(this.mcu.flash.subarray(0, this.flash.bytes.length), this.resetting);
    }
  }

  _explained(fault) {
    if (fault.message === BOOTSEL) return new Error('the board went into its boot loader');
    const { PC, LR, SP } = this.mcu.core;
    const hex = (value) => value.toString(16).padStart(8, '0');
    return new Error(`the processor stopped: ${fault.message}; pc ${hex(PC)}, lr ${hex(LR)}, sp ${hex(SP)}`);
  }
}
