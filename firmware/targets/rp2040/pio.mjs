// SPDX-License-Identifier: MIT
// The programmable I/O in step with the processor. rp2040js runs each PIO on a timer of its own, unrelated to the
// processor's cycles, and counts an instruction's delay without waiting for it; bit clocks would mean nothing. Nor does
// it empty the FIFOs when they are joined or parted, which is how drivers do that, or tell the pins what an instruction
// that the processor has it carry out has changed.

const SHIFTCTRL = 8; // of a machine's registers, from CLKDIV on
const FJOIN = 0xc0000000;

export class PioClock {
  /** `settle()` is called before each step: what hangs on the pins may change them now. */
  constructor(mcu, settle) {
    this.settle = settle;
    this.pios = mcu.pio;
    this.now = 0; // cycles
    this.next = new Map(); // of each machine that runs: when its next instruction is due
    for (const pio of this.pios) {
      pio.run = () => {};
      for (const machine of pio.machines) mend(machine, pio);
    }
  }

  /** Cycles until one of them is due. */
  due() {
    let first = Infinity;
    for (const pio of this.pios) {
      if (pio.stopped) continue;
      for (const machine of pio.machines) {
        if (!machine.enabled) continue;
        let at = this.next.get(machine);
        if (at === undefined) this.next.set(machine, (at = this.now + divider(machine)));
        if (at < first) first = at;
      }
    }
    return Math.ceil(first - this.now);
  }

  /** So many cycles have passed. */
  act(spent) {
    this.now += spent;
    for (const pio of this.pios) {
      for (const machine of pio.machines) {
        if (!pio.stopped && machine.enabled) this._run(pio, machine);
        else this.next.delete(machine); // or it would make up, all at once, for the time that it stood still
      }
    }
  }

  _run(pio, machine) {
    let at = this.next.get(machine);
    if (at === undefined || at > this.now) return;
    while (at <= this.now && machine.enabled) {
      const before = machine.cycles;
      this.settle();
      machine.step();
      pio.checkChangedPins();
      at += divider(machine) * Math.max(1, machine.cycles - before);
    }
    this.next.set(machine, at);
  }
}

function divider(machine) {
  return (machine.clockDivInt || 65536) + machine.clockDivFrac / 256;
}

function mend(machine, pio) {
  const write = machine.writeUint32.bind(machine);
  machine.writeUint32 = (offset, value) => {
    if (offset === SHIFTCTRL && (value ^ machine.shiftCtrl) & FJOIN) {
      machine.rxFIFO.reset();
      machine.txFIFO.reset();
    }
    write(offset, value);
    pio.checkChangedPins();
  };
}
