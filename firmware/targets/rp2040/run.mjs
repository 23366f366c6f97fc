// SPDX-License-Identifier: MIT
// A Raspberry Pi Pico on this computer:
//
//   node run.mjs --line FD [--flash FILE] [--uf2 IMAGE.uf2]... [--mic JSON]
//
//   --line     a connected socket, its USB serial port
//   --flash    its flash: 2 MB, made where there is none, and kept up to date; without it the flash lasts as long as we
//   --uf2      dropped onto the boot loader's drive before it starts
//   --mic      a microphone's options: see mic.mjs
//   --cache    count accesses to flash through its cache: see counters.mjs
//
// A reset starts it anew. It ends with its parent's signal, or with a line on stderr and status 3 where the program on
// the board comes to no good.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { Board } from './board.mjs';
import { Flash } from './flash.mjs';
import { Serial } from './serial.mjs';

const SLICE = 50_000; // cycles between two looks at the port, 0.4 ms
const AHEAD_MS = 2; // a board that waits may be that far ahead of the clock on the wall

const { values: options } = parseArgs({
  options: {
    line: { type: 'string' },
    flash: { type: 'string' },
    uf2: { type: 'string', multiple: true, default: [] },
    mic: { type: 'string', default: 'null' },
    cache: { type: 'boolean', default: false },
  },
});

process.on('uncaughtException', (error) => {
  fs.writeSync(2, `${error.message}\n`);
  process.exit(3);
});

let timer = null; // set while the board sleeps
const serial = new Serial(Number(options.line), () => {
  if (timer !== null) {
    clearTimeout(timer);
    timer = null;
    setImmediate(turn);
  }
});
const flash = new Flash(options.flash);
for (const image of options.uf2) flash.load(fs.readFileSync(image), image);
const rom = fs.readFileSync(new URL('rom.bin', import.meta.url));
const board = new Board(rom, flash, JSON.parse(options.mic), options.cache, (mcu) => serial.plug(mcu));

// Time here and on the board. A board that is busy falls behind and never catches up; one that waits keeps pace.
let here = performance.now();
let there = 0;

function turn() {
  board.run(SLICE);
  const now = performance.now();
  const ahead = (board.nanos - there) / 1e6 - (now - here);
  if (ahead < 0) {
    here = now;
    there = board.nanos;
  }
  if (serial.backed) timer = setTimeout(resume, 5);
  else if (board.idle && ahead > AHEAD_MS) timer = setTimeout(resume, ahead);
  else setImmediate(turn);
}

function resume() {
  timer = null;
  turn();
}

turn();
