// SPDX-License-Identifier: MIT
// The Cortex-M0+ of the emulated RP2040: takes the place of rp2040js's own, several times as fast, with the cycles of
// Arm's technical reference manual (rp2040js forgets some, and the carry of some shifts) and a fault where silicon has
// one. Exceptions, NVIC and all peripherals stay rp2040js's.
import { Bus, Fault } from './bus.mjs';
import { Counters } from './counters.mjs';
import { KINDS } from './forms.mjs';

const EXCEPTION_CYCLES = 15;

export class Cortex {
  /** `mcu`: an RP2040. `onFlash(offset)`: see Bus. `cache`: a Cache or null, see Counters. */
  constructor(mcu, onFlash, cache) {
    this.mcu = mcu;
    this.core = mcu.core;
    this.clock = mcu.clock;
    this.counters = new Counters(mcu.core, cache);
    this.bus = new Bus(mcu, onFlash, this.counters);
    this.r = new Int32Array(mcu.core.registers.buffer);
  }

  /** Spend about `budget` cycles, asleep or not. `others`: due(), cycles until they must act; act(spent), they may. */
  run(budget, others) {
    const { bus, core, clock, mcu } = this;
    for (let left = budget; left > 0;) {
      let spent = 0;
      bus.ns = 1e9 / mcu.clkSys;
      bus.from = clock.nanosCounter;
      if (core.interruptsUpdated && core.checkForInterrupts()) {
        core.waiting = false;
        spent = EXCEPTION_CYCLES;
      } else {
        const alarm = clock.nextAlarm ? Math.ceil((clock.nextAlarm.nanos - bus.from) / bus.ns) : left;
        const limit = Math.max(1, Math.min(left, alarm, others.due()));
        if (core.waiting) this.counters.asleep += spent = limit;
        else spent = this.execute(limit);
        core.cycles += spent;
      }
      clock.tick(bus.from + spent * bus.ns - clock.nanosCounter);
      others.act(spent);
      left -= spent;
    }
  }

  /** Run instructions until `limit` cycles are spent or something outside may have changed. Returns the cycles. */
  execute(limit) {
    const { bus, core, r } = this;
    let pc = r[15] & ~1;
    let nz = core.Z ? 0 : core.N ? -1 : 1; // N is its sign, Z that it is 0
    let c = core.C ? 1 : 0;
    let v = core.V ? 1 : 0;
    let base = bus.fetch(pc);
    let { code16, code32 } = bus;
    const cache = bus.cache;
    let word = -1; // that came last from flash
    let cycles = 0;
    bus.limit = limit;
    bus.extra = 0;
    try {
      do {
        const op = code16[(pc - base) >> 1];
        if (cache && code16 === bus.flash16 && pc >>> 2 !== word) {
          word = pc >>> 2;
          cache.touch(pc);
        }
        let jump = false; // pc may have left its memory
        pc += 2;
        cycles += 1;
        switch (KINDS[op]) {
          case 0: {
            const a = r[(op >> 3) & 7], n = (op >> 6) & 31;
            if (n) c = (a >>> (32 - n)) & 1;
            r[op & 7] = nz = a << n;
            break;
          }
          case 1: {
            const a = r[(op >> 3) & 7], n = (op >> 6) & 31;
            c = (a >>> ((n - 1) & 31)) & 1;
            r[op & 7] = nz = n ? a >>> n : 0;
            break;
          }
          case 2: {
            const a = r[(op >> 3) & 7], n = (op >> 6) & 31;
            c = (a >>> ((n - 1) & 31)) & 1;
            r[op & 7] = nz = n ? a >> n : a >> 31;
            break;
          }
          case 3: {
            const a = r[(op >> 3) & 7], b = r[(op >> 6) & 7];
            r[op & 7] = nz = (a + b) | 0;
            c = ((a & b) | ((a | b) & ~nz)) >>> 31;
            v = ((a ^ nz) & (b ^ nz)) >>> 31;
            break;
          }
          case 4: {
            const a = r[(op >> 3) & 7], b = r[(op >> 6) & 7];
            r[op & 7] = nz = (a - b) | 0;
            c = ((a & ~b) | ((a | ~b) & ~nz)) >>> 31;
            v = ((a ^ b) & (a ^ nz)) >>> 31;
            break;
          }
          case 5: {
            const a = r[(op >> 3) & 7];
            r[op & 7] = nz = (a + ((op >> 6) & 7)) | 0;
            c = (a & ~nz) >>> 31;
            v = (~a & nz) >>> 31;
            break;
          }
          case 6: {
            const a = r[(op >> 3) & 7], b = (op >> 6) & 7;
            r[op & 7] = nz = (a - b) | 0;
            c = (a | ~nz) >>> 31;
            v = (a & ~nz) >>> 31;
            break;
          }
          case 7: r[(op >> 8) & 7] = nz = op & 0xff; break;
          case 8: {
            const a = r[(op >> 8) & 7];
            nz = (a - (op & 0xff)) | 0;
            c = (a | ~nz) >>> 31;
            v = (a & ~nz) >>> 31;
            break;
          }
          case 9: {
            const a = r[(op >> 8) & 7];
            r[(op >> 8) & 7] = nz = (a + (op & 0xff)) | 0;
            c = (a & ~nz) >>> 31;
            v = (~a & nz) >>> 31;
            break;
          }
          case 10: {
            const a = r[(op >> 8) & 7];
            r[(op >> 8) & 7] = nz = (a - (op & 0xff)) | 0;
            c = (a | ~nz) >>> 31;
            v = (a & ~nz) >>> 31;
            break;
          }
          case 11: r[op & 7] = nz = r[op & 7] & r[(op >> 3) & 7]; break;
          case 12: r[op & 7] = nz = r[op & 7] ^ r[(op >> 3) & 7]; break;
          case 13: {
            const a = r[op & 7], n = r[(op >> 3) & 7] & 0xff;
            if (n) c = n <= 32 ? (a >>> (32 - n)) & 1 : 0;
            r[op & 7] = nz = n < 32 ? a << n : 0;
            break;
          }
          case 14: {
            const a = r[op & 7], n = r[(op >> 3) & 7] & 0xff;
            if (n) c = n <= 32 ? (a >>> (n - 1)) & 1 : 0;
            r[op & 7] = nz = n < 32 ? a >>> n : 0;
            nz |= 0;
            break;
          }
          case 15: {
            const a = r[op & 7], n = r[(op >> 3) & 7] & 0xff;
            if (n) c = n <= 32 ? (a >>> (n - 1)) & 1 : a >>> 31;
            r[op & 7] = nz = n < 32 ? a >> n : a >> 31;
            break;
          }
          case 16: {
            const a = r[op & 7], b = r[(op >> 3) & 7];
            r[op & 7] = nz = (a + b + c) | 0;
            c = ((a & b) | ((a | b) & ~nz)) >>> 31;
            v = ((a ^ nz) & (b ^ nz)) >>> 31;
            break;
          }
          case 17: {
            const a = r[op & 7], b = ~r[(op >> 3) & 7];
            r[op & 7] = nz = (a + b + c) | 0;
            c = ((a & b) | ((a | b) & ~nz)) >>> 31;
            v = ((a ^ nz) & (b ^ nz)) >>> 31;
            break;
          }
          case 18: {
            const a = r[op & 7], n = r[(op >> 3) & 7] & 0xff;
            r[op & 7] = nz = (a >>> (n & 31)) | (a << (-n & 31));
            if (n) c = nz >>> 31;
            break;
          }
          case 19: nz = r[op & 7] & r[(op >> 3) & 7]; break;
          case 20: {
            const b = r[(op >> 3) & 7];
            r[op & 7] = nz = -b | 0;
            c = b === 0 ? 1 : 0;
            v = (b & nz) >>> 31;
            break;
          }
          case 21: {
            const a = r[op & 7], b = r[(op >> 3) & 7];
            nz = (a - b) | 0;
            c = ((a & ~b) | ((a | ~b) & ~nz)) >>> 31;
            v = ((a ^ b) & (a ^ nz)) >>> 31;
            break;
          }
          case 22: {
            const a = r[op & 7], b = r[(op >> 3) & 7];
            nz = (a + b) | 0;
            c = ((a & b) | ((a | b) & ~nz)) >>> 31;
            v = ((a ^ nz) & (b ^ nz)) >>> 31;
            break;
          }
          case 23: r[op & 7] = nz = r[op & 7] | r[(op >> 3) & 7]; break;
          case 24: r[op & 7] = nz = Math.imul(r[op & 7], r[(op >> 3) & 7]); break;
          case 25: r[op & 7] = nz = r[op & 7] & ~r[(op >> 3) & 7]; break;
          case 26: r[op & 7] = nz = ~r[(op >> 3) & 7]; break;
          case 27: {
            const d = ((op >> 4) & 8) | (op & 7), m = (op >> 3) & 15;
            const sum = ((d === 15 ? pc + 2 : r[d]) + (m === 15 ? pc + 2 : r[m])) | 0;
            if (d === 15) {
              pc = sum & ~1;
              cycles += 1;
              jump = true;
            } else r[d] = d === 13 ? sum & ~3 : sum;
            break;
          }
          case 28: {
            const a = r[((op >> 4) & 8) | (op & 7)], m = (op >> 3) & 15;
            const b = m === 15 ? pc + 2 : r[m];
            nz = (a - b) | 0;
            c = ((a & ~b) | ((a | ~b) & ~nz)) >>> 31;
            v = ((a ^ b) & (a ^ nz)) >>> 31;
            break;
          }
          case 29: {
            const d = ((op >> 4) & 8) | (op & 7), m = (op >> 3) & 15;
            const value = m === 15 ? pc + 2 : r[m];
            if (d === 15) {
              pc = value & ~1;
              cycles += 1;
              jump = true;
            } else r[d] = d === 13 ? value & ~3 : value;
            break;
          }
          case 30: pc = r[(op >> 3) & 15]; cycles += 1; jump = true; break;
          case 31: {
            const to = r[(op >> 3) & 15];
            r[14] = pc | 1;
            pc = to & ~1;
            cycles += 1;
            jump = true;
            break;
          }
          case 32: r[(op >> 8) & 7] = code32[(((pc + 2) & ~3) - base + ((op & 0xff) << 2)) >> 2]; cycles += 1; break;
          case 33: bus.store32(r[(op >> 3) & 7] + r[(op >> 6) & 7], r[op & 7], ++cycles); break;
          case 34: bus.store16(r[(op >> 3) & 7] + r[(op >> 6) & 7], r[op & 7], ++cycles); break;
          case 35: bus.store8(r[(op >> 3) & 7] + r[(op >> 6) & 7], r[op & 7], ++cycles); break;
          case 36: r[op & 7] = (bus.load8(r[(op >> 3) & 7] + r[(op >> 6) & 7], ++cycles) << 24) >> 24; break;
          case 37: r[op & 7] = bus.load32(r[(op >> 3) & 7] + r[(op >> 6) & 7], ++cycles); break;
          case 38: r[op & 7] = bus.load16(r[(op >> 3) & 7] + r[(op >> 6) & 7], ++cycles); break;
          case 39: r[op & 7] = bus.load8(r[(op >> 3) & 7] + r[(op >> 6) & 7], ++cycles); break;
          case 40: r[op & 7] = (bus.load16(r[(op >> 3) & 7] + r[(op >> 6) & 7], ++cycles) << 16) >> 16; break;
          case 41: bus.store32(r[(op >> 3) & 7] + ((op >> 4) & 0x7c), r[op & 7], ++cycles); break;
          case 42: r[op & 7] = bus.load32(r[(op >> 3) & 7] + ((op >> 4) & 0x7c), ++cycles); break;
          case 43: bus.store8(r[(op >> 3) & 7] + ((op >> 6) & 31), r[op & 7], ++cycles); break;
          case 44: r[op & 7] = bus.load8(r[(op >> 3) & 7] + ((op >> 6) & 31), ++cycles); break;
          case 45: bus.store16(r[(op >> 3) & 7] + ((op >> 5) & 0x3e), r[op & 7], ++cycles); break;
          case 46: r[op & 7] = bus.load16(r[(op >> 3) & 7] + ((op >> 5) & 0x3e), ++cycles); break;
          case 47: bus.store32(r[13] + ((op & 0xff) << 2), r[(op >> 8) & 7], ++cycles); break;
          case 48: r[(op >> 8) & 7] = bus.load32(r[13] + ((op & 0xff) << 2), ++cycles); break;
          case 49: r[(op >> 8) & 7] = ((pc + 2) & ~3) + ((op & 0xff) << 2); break;
          case 50: r[(op >> 8) & 7] = r[13] + ((op & 0xff) << 2); break;
          case 51: r[13] += (op & 0x7f) << 2; break;
          case 52: r[13] -= (op & 0x7f) << 2; break;
          case 53: r[op & 7] = (r[(op >> 3) & 7] << 16) >> 16; break;
          case 54: r[op & 7] = (r[(op >> 3) & 7] << 24) >> 24; break;
          case 55: r[op & 7] = r[(op >> 3) & 7] & 0xffff; break;
          case 56: r[op & 7] = r[(op >> 3) & 7] & 0xff; break;
          case 57: cycles += bus.push(r, op & 0x1ff, cycles); break;
          case 58:
            core.PM = (op & 0x10) !== 0;
            core.interruptsUpdated = true;
            bus.limit = 0;
            break;
          case 59: {
            const a = r[(op >> 3) & 7];
            r[op & 7] = (a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24);
            break;
          }
          case 60: {
            const a = r[(op >> 3) & 7];
            r[op & 7] = ((a & 0xff00ff) << 8) | ((a >>> 8) & 0xff00ff);
            break;
          }
          case 61: {
            const a = r[(op >> 3) & 7];
            r[op & 7] = ((a << 24) >> 16) | ((a >> 8) & 0xff);
            break;
          }
          case 62:
            cycles += bus.pop(r, 13, op & 0xff, cycles);
            if (op & 0x100) {
              pc = bus.load32(r[13], cycles);
              r[13] += 4;
              cycles += 3;
              jump = true;
            }
            break;
          case 63: throw new Fault(`breakpoint ${op & 0xff}`);
          case 64:
            cycles += 1;
            if (core.eventRegistered) core.eventRegistered = false;
            else {
              core.waiting = true;
              bus.limit = 0;
            }
            break;
          case 65: cycles += 1; core.waiting = true; bus.limit = 0; break;
          case 66: core.eventRegistered = true; break;
          case 67: break;
          case 68: cycles += bus.stm(r, (op >> 8) & 7, op & 0xff, cycles); break;
          case 69: cycles += bus.pop(r, (op >> 8) & 7, op & 0xff, cycles); break;
          case 70: if (nz === 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 71: if (nz !== 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 72: if (c) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 73: if (!c) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 74: if (nz < 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 75: if (nz >= 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 76: if (v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 77: if (!v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 78: if (c && nz !== 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 79: if (!c || nz === 0) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 80: if (nz >>> 31 === v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 81: if (nz >>> 31 !== v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 82: if (nz !== 0 && nz >>> 31 === v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 83: if (nz === 0 || nz >>> 31 !== v) { pc += ((op << 24) >> 23) + 2; cycles += 1; } break;
          case 84:
            core.pendingSVCall = true;
            core.interruptsUpdated = true;
            bus.limit = 0;
            break;
          case 85: pc += ((op << 21) >> 20) + 2; cycles += 1; break;
          case 86: {
            const low = code16[(pc - base) >> 1];
            cycles += 2;
            if ((low & 0xd000) === 0xd000) {
              const s = (op >> 10) & 1, j1 = (low >> 13) & 1, j2 = (low >> 11) & 1;
              const far = (-s << 24) | ((1 ^ s ^ j1) << 23) | ((1 ^ s ^ j2) << 22);
              r[14] = (pc + 2) | 1;
              pc += 2 + (far | ((op & 0x3ff) << 12) | ((low & 0x7ff) << 1));
              break;
            }
            pc += 2;
            this._spill(pc, nz, c, v);
            this._system(op, low);
            nz = core.Z ? 0 : core.N ? -1 : 1;
            c = core.C ? 1 : 0;
            v = core.V ? 1 : 0;
            break;
          }
          default: throw new Fault(`undefined instruction ${op === undefined ? 'outside of memory' : op.toString(16)}`);
        }
        if (jump) {
          if (pc >>> 28 === 15) {
            this._spill(pc, nz, c, v);
            core.BXWritePC(pc >>> 0);
            pc = r[15];
            nz = core.Z ? 0 : core.N ? -1 : 1;
            c = core.C ? 1 : 0;
            v = core.V ? 1 : 0;
            bus.limit = 0;
          }
          pc &= ~1;
          base = bus.fetch(pc);
          code16 = bus.code16;
          code32 = bus.code32;
        }
      } while (cycles < bus.limit);
    } catch (error) {
      this._spill(pc - 2, nz, c, v);
      throw error;
    }
    this._spill(pc, nz, c, v);
    return cycles + bus.extra;
  }

  _spill(pc, nz, c, v) {
    const { core } = this;
    this.r[15] = pc;
    core.N = nz < 0;
    core.Z = nz === 0;
    core.C = c !== 0;
    core.V = v !== 0;
  }

  // msr, mrs and barriers
  _system(op, low) {
    const { core } = this;
    if (op >> 4 === 0xf38 && low >> 8 === 0x88) {
      core.writeSpecialRegister(low & 0xff, core.registers[op & 15]);
      this.bus.limit = 0;
    } else if (op === 0xf3ef && low >> 12 === 8) {
      core.registers[(low >> 8) & 15] = core.readSpecialRegister(low & 0xff);
    } else if (op !== 0xf3bf) {
      throw new Fault(`undefined instruction ${op.toString(16)} ${low.toString(16)}`);
    }
  }
}
