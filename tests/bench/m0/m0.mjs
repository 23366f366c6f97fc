// SPDX-License-Identifier: MIT
// Runs a bare-metal Cortex-M0+ program in rp2040js and counts its cycles (reference manual's timings, no wait states).
//
//   node m0.mjs RP2040JS PROGRAM.bin JOB.bin [PROFILE.json]
//
// PROGRAM starts at the bottom of flash; JOB lies 1 MB above. Prints one line of JSON: {exit, cycles: [...], output: hex}.
// PROFILE gets the cycles of every address that ran between start and lap.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';
const [, , library, program, job, profile] = process.argv;
const { RP2040, ConsoleLogger, LogLevel } = await import(pathToFileURL(`${library}/dist/esm/index.js`));

const FLASH = 0x10000000, JOB_OFFSET = 0x100000, STACK_TOP = 0x20042000;
const mcu = new RP2040(), core = mcu.core;
mcu.logger = new ConsoleLogger(LogLevel.Error);
mcu.flash.set(fs.readFileSync(program), 0);
mcu.flash.set(fs.readFileSync(job), JOB_OFFSET);

const cycles = [], output = [], at = new Float64Array(JOB_OFFSET / 2);
let exit = null, since = 0, counting = false;
mcu.onBreak = (code) => {
  const [r0, r1] = core.registers;
  if (code === 0) exit = r0 | 0;
  if (code === 1) { since = core.cycles + 1; counting = true; } // the breakpoint's own cycle
  if (code === 2) { cycles.push(core.cycles - since); counting = false; }
  if (code === 3) for (let i = 0; i < r1; i++) output.push(mcu.readUint8((r0 >>> 0) + i));
};
core.SP = STACK_TOP;
core.PC = FLASH;
if (profile) {
  while (exit === null) {
    const pc = core.PC - FLASH;
    const spent = core.executeInstruction();
    if (counting) at[pc / 2] += spent;
  }
  fs.writeFileSync(profile, JSON.stringify(Object.fromEntries([...at.entries()].filter(([, n]) => n).map(([i, n]) => [i * 2 + FLASH, n]))));
} else {
  while (exit === null) core.executeInstruction();
}
console.log(JSON.stringify({ exit, cycles, output: Buffer.from(output).toString('hex') }));
