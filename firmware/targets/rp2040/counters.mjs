// SPDX-License-Identifier: MIT
// What programs may read of the chip's work: the cycles since power-on, those of them that the processor slept through,
// and accesses to flash through its cache. The latter two registers are the RP2040's own (XIP_CTRL); the first two are
// where larger Cortex-Ms have theirs (DWT), and on the RP2040 there is nothing.

const CYCLES = 0xe0001004;
const ASLEEP = 0xe0001010;
const XIP_HITS = 0x1400000c;
const XIP_ACCESSES = 0x14000010;
const SETS = 1024; // 16 kB, two ways, lines of 8 bytes: RP2040 datasheet, 2.6.3.1

/** The flash's cache: which lines it holds. That the older line of the two goes is assumed; no datasheet says. */
export class Cache {
  constructor() {
    this.newer = new Int32Array(SETS).fill(-1); // tags
    this.older = new Int32Array(SETS).fill(-1);
    this.accesses = 0;
    this.hits = 0;
  }

  /** The processor reads a word. */
  touch(address) {
    if ((address >>> 24) !== 0x10) return; // the aliases that do not allocate are for the flash's drivers
    const set = (address >>> 3) & (SETS - 1);
    const tag = (address & 0xffffff) >>> 13;
    this.accesses += 1;
    if (this.newer[set] === tag) this.hits += 1;
    else {
      if (this.older[set] === tag) this.hits += 1;
      this.older[set] = this.newer[set];
      this.newer[set] = tag;
    }
  }
}

export class Counters {
  /** `cache`: a Cache, or null where nobody asks: it makes the emulation slower. */
  constructor(core, cache) {
    this.core = core;
    this.cache = cache;
    this.asleep = 0;
  }

  /** A register's value, `cycles` into the processor's turn; undefined where none of ours is there. */
  read(address, cycles) {
    switch (address) {
      case CYCLES: return this.core.cycles + cycles;
      case ASLEEP: return this.asleep;
      case XIP_HITS: return this.cache?.hits;
      case XIP_ACCESSES: return this.cache?.accesses;
      default: return undefined;
    }
  }
}
