// SPDX-License-Identifier: MIT
// The head of the mask ROM's stand-in, where firmware looks for it (RP2040 datasheet, 2.8.3): vectors, magic, and the
// tables of functions and data by their two letters.
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .section .head, "a"
    .word 0x20042000        // initial stack
    .word stop + 1          // reset: the emulator begins with the flash's second stage instead
    .word stop + 1          // NMI
    .word stop + 1          // hard fault
    .byte 'M', 'u', 1, 2    // magic, version of the layout, version of the ROM
    .hword functions
    .hword data
    .hword lookup + 1

    .text
    .thumb_func
stop:
    bkpt #0
    b stop

    .thumb_func
usb_boot:                   // the boot loader's drive: the emulator ends here
    bkpt #66
    b usb_boot

    .global unimplemented
    .thumb_func
unimplemented:
    bkpt #67
    b unimplemented

// void *lookup(const uint16_t *table, uint32_t code): 0 where the table has no such code.
    .thumb_func
lookup:
    ldrh r2, [r0]
    cmp r2, #0
    beq 1f
    cmp r2, r1
    beq 2f
    adds r0, #4
    b lookup
1:  movs r0, #0
    bx lr
2:  ldrh r0, [r0, #2]
    bx lr

    .macro entry first, second, what
    .byte \first, \second
    .hword \what
    .endm

    .section .tables, "a"
    .balign 4
functions:
    entry 'P', '3', popcount32 + 1
    entry 'R', '3', reverse32 + 1
    entry 'L', '3', clz32 + 1
    entry 'T', '3', ctz32 + 1
    entry 'M', 'S', memset + 1
    entry 'S', '4', memset + 1
    entry 'M', 'C', memcpy + 1
    entry 'C', '4', memcpy + 1
    entry 'I', 'F', nothing + 1     // connect_internal_flash
    entry 'E', 'X', nothing + 1     // flash_exit_xip
    entry 'F', 'C', nothing + 1     // flash_flush_cache
    entry 'C', 'X', nothing + 1     // flash_enter_cmd_xip
    entry 'R', 'E', flash_range_erase + 1
    entry 'R', 'P', flash_range_program + 1
    entry 'U', 'B', usb_boot + 1
    .hword 0
    .balign 4
data:
    entry 'C', 'R', copyright
    entry 'S', 'F', float_table + 4
    entry 'S', 'D', double_table + 4
    .hword 0
