// SPDX-License-Identifier: MIT
// What the processor reads and writes: RAM, flash and ROM at once, all else through rp2040js.

const RAM = 0x20000000;
const RAM_BYTES = 264 * 1024;
const ROM_BYTES = 16 * 1024;
const FLASH_PAGE = 0x10000000 >>> 26; // flash shows four times, with and without cache, in these 64 MB

/** What no program recovers from: it ends the emulation. */
export class Fault extends Error {}

export class Bus {
  /**
   * `mcu`: an RP2040. `onFlash(offset)` is called after each word that the boot ROM's functions write to flash.
   * `counters`: Counters.
   */
  constructor(mcu, onFlash, counters) {
    this.mcu = mcu;
    this.counters = counters;
    this.cache = counters.cache;
    this.clock = mcu.clock;
    this.onFlash = onFlash;
    this.ram8 = mcu.sram;
    this.ram16 = new Uint16Array(mcu.sram.buffer);
    this.ram32 = new Int32Array(mcu.sram.buffer);
    this.flash16 = mcu.flash16;
    this.flash32 = new Int32Array(mcu.flash.buffer);
    this.rom16 = new Uint16Array(mcu.bootrom.buffer);
    this.rom32 = new Int32Array(mcu.bootrom.buffer);
    this.code16 = this.rom16; // the memory that the program counter is in
    this.code32 = this.rom32;
    this.from = 0; // time at which the processor's turn began, nanoseconds
    this.ns = 8; // of a cycle
    this.limit = 0; // cycles that its turn may last
    this.extra = 0; // cycles of peripheral accesses, beyond a memory's
  }

  // Peripherals may look at the clock, set an alarm or raise an interrupt: the time is set, and the turn ends.
  _outside(address, cycles, write) {
    this.clock.nanosCounter = this.from + cycles * this.ns;
    this.limit = 0;
    const page = address >>> 28;
    if (page === 0xd) this.extra -= 1;
    else if (page === 4) this.extra += write ? 3 : 2;
  }

  load32(a, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES && !(o & 3)) return this.ram32[o >> 2];
    const address = a >>> 0;
    if (address & 3) throw new Fault(`access to ${address.toString(16)}, which is not aligned`);
    if (address >>> 26 === FLASH_PAGE) {
      this.cache?.touch(address);
      return this.flash32[(address & 0xffffff) >> 2];
    }
    if (address < ROM_BYTES) return this.rom32[address >> 2];
    const counted = this.counters.read(address, cycles);
    if (counted !== undefined) return counted | 0;
    this._outside(address, cycles, false);
    return this.mcu.readUint32(address) | 0;
  }

  load16(a, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES && !(o & 1)) return this.ram16[o >> 1];
    const address = a >>> 0;
    if (address & 1) throw new Fault(`access to ${address.toString(16)}, which is not aligned`);
    if (address >>> 26 === FLASH_PAGE) {
      this.cache?.touch(address);
      return this.flash16[(address & 0xffffff) >> 1];
    }
    if (address < ROM_BYTES) return this.rom16[address >> 1];
    this._outside(address, cycles, false);
    return this.mcu.readUint16(address);
  }

  load8(a, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES) return this.ram8[o];
    const address = a >>> 0;
    if (address >>> 26 === FLASH_PAGE) {
      this.cache?.touch(address);
      return this.mcu.flash[address & 0xffffff];
    }
    if (address < ROM_BYTES) return (this.rom16[address >> 1] >> (8 * (address & 1))) & 0xff;
    this._outside(address, cycles, false);
    return this.mcu.readUint8(address);
  }

  store32(a, value, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES && !(o & 3)) {
      this.ram32[o >> 2] = value;
      return;
    }
    const address = a >>> 0;
    if (address & 3) throw new Fault(`access to ${address.toString(16)}, which is not aligned`);
    if (address >>> 26 === FLASH_PAGE && this.code16 === this.rom16) {
      this.flash32[(address & 0xffffff) >> 2] = value;
      this.onFlash(address & 0xffffff);
      return;
    }
    if (this._may(address, cycles)) this.mcu.writeUint32(address, value >>> 0);
  }

  store16(a, value, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES && !(o & 1)) {
      this.ram16[o >> 1] = value;
      return;
    }
    const address = a >>> 0;
    if (address & 1) throw new Fault(`access to ${address.toString(16)}, which is not aligned`);
    if (this._may(address, cycles)) this.mcu.writeUint16(address, value & 0xffff);
  }

  store8(a, value, cycles) {
    const o = (a - RAM) | 0;
    if (o >>> 0 < RAM_BYTES) {
      this.ram8[o] = value;
      return;
    }
    if (this._may(a >>> 0, cycles)) this.mcu.writeUint8(a >>> 0, value & 0xff);
  }

  // Whether a write goes to rp2040js. The ROM ignores them: the SDK's USB driver writes there.
  _may(address, cycles) {
    if (address >>> 26 === FLASH_PAGE) throw new Fault(`write to flash at ${address.toString(16)}`);
    if (address < ROM_BYTES) return false;
    this._outside(address, cycles, true);
    return true;
  }

  /** Push the registers of a list, bit 8 for lr. Returns their number. */
  push(r, list, cycles) {
    let a = r[13];
    let count = 0;
    for (let i = 8; i >= 0; i--) {
      if (list & (1 << i)) {
        a = (a - 4) | 0;
        this.store32(a, r[i === 8 ? 14 : i], cycles);
        count += 1;
      }
    }
    r[13] = a;
    return count;
  }

  /** Load the registers of a list from where r[n] points, which moves on unless it is one of them. Returns their number. */
  pop(r, n, list, cycles) {
    let a = r[n];
    let count = 0;
    for (let i = 0; i < 8; i++) {
      if (list & (1 << i)) {
        r[i] = this.load32(a, cycles);
        a = (a + 4) | 0;
        count += 1;
      }
    }
    if (!(list & (1 << n))) r[n] = a;
    return count;
  }

  /** Store the registers of a list where r[n] points, which moves on. Returns their number. */
  stm(r, n, list, cycles) {
    let a = r[n];
    let count = 0;
    for (let i = 0; i < 8; i++) {
      if (list & (1 << i)) {
        this.store32(a, r[i], cycles);
        a = (a + 4) | 0;
        count += 1;
      }
    }
    r[n] = a;
    return count;
  }

  /** Take code16 and code32 for code at `pc`, and return the address they begin at. */
  fetch(pc) {
    if (pc >>> 26 === FLASH_PAGE) {
      this.code16 = this.flash16;
      this.code32 = this.flash32;
      return pc & 0x1f000000;
    }
    if (pc >>> 28 === 2) {
      this.code16 = this.ram16;
      this.code32 = this.ram32;
      return RAM;
    }
    if (pc >>> 0 >= ROM_BYTES) throw new Fault(`jump to ${(pc >>> 0).toString(16)}`);
    this.code16 = this.rom16;
    this.code32 = this.rom32;
    return 0;
  }
}
