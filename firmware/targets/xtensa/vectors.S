// SPDX-License-Identifier: MIT
// The processor's vectors: where it goes when a call needs registers that hold an older frame (overflow), when a return
// needs a frame that lies on the stack (underflow), and on faults. The layout is the windowed ABI's: a frame's a0 to a3 lie
// below the stack pointer of the function it called, the rest below that of the function that called it.
    .section .vectors, "ax"
    .balign 1024
    .global vectors
vectors:
    .org vectors + 0x000    // overflow of a frame that called with call4
    s32e a0, a5, -16
    s32e a1, a5, -12
    s32e a2, a5, -8
    s32e a3, a5, -4
    rfwo
    .org vectors + 0x040
    l32e a0, a5, -16
    l32e a1, a5, -12
    l32e a2, a5, -8
    l32e a3, a5, -4
    rfwu
    .org vectors + 0x080    // call8
    s32e a0, a9, -16
    l32e a0, a1, -12
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo
    .org vectors + 0x0c0
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu
    .org vectors + 0x100    // call12
    s32e a0, a13, -16
    l32e a0, a1, -12
    s32e a1, a13, -12
    s32e a2, a13, -8
    s32e a3, a13, -4
    s32e a4, a0, -48
    s32e a5, a0, -44
    s32e a6, a0, -40
    s32e a7, a0, -36
    s32e a8, a0, -32
    s32e a9, a0, -28
    s32e a10, a0, -24
    s32e a11, a0, -20
    rfwo
    .org vectors + 0x140
    l32e a0, a13, -16
    l32e a1, a13, -12
    l32e a2, a13, -8
    l32e a11, a1, -12
    l32e a3, a13, -4
    l32e a4, a11, -48
    l32e a5, a11, -44
    l32e a6, a11, -40
    l32e a7, a11, -36
    l32e a8, a11, -32
    l32e a9, a11, -28
    l32e a10, a11, -24
    l32e a11, a11, -20
    rfwu

    .org vectors + 0x300    // in the kernel's mode, which is ours: the nap's alarm, alloca, or a fault
    wsr.excsave1 a0
    rsr.exccause a0
    beqi a0, 5, 1f
    bnei a0, 4, 2f
    movi a0, 0              // an interrupt of level 1: once is enough
    wsr.intenable a0
    rsr.excsave1 a0
    rfe
1:  j move_stack
2:  j fault
    .org vectors + 0x3c0    // a fault in a vector
    j fault

// One empty frame at the stack's top; no interrupt is taken.
.macro fresh_stack
    movi a0, 0
    wsr.windowbase a0
    rsync
    movi a0, 1
    wsr.windowstart a0
    movi a0, vectors
    wsr.vecbase a0
    movi a1, stack_end
    movi a0, 0x4000f        // windows on, interrupt level 15
    wsr.ps a0
    rsync
.endm

    .text
    .literal_position
// alloca moves the stack pointer, and with it must go what lies below: of a caller that is on the stack already. So that one
// is put back into registers, by the vector that does so on a return, and the instruction begins again.
    .align 4
move_stack:
    rsr.windowbase a0
    rotw -1                 // the free registers before ours, which are a4 on
    rsr.ps a2
    extui a3, a2, 8, 4
    xor a3, a3, a4
    slli a3, a3, 8
    xor a2, a2, a3          // PS.OWB: the window to come back to
    wsr.ps a2
    rsr.excsave1 a4         // our a0 again: its upper bits say how many registers the caller keeps
    rsync
    bbci.l a4, 31, 2f
    rotw -1
    bbci.l a8, 30, 1f
    rotw -1
    j vectors + 0x140
1:  j vectors + 0x0c0
2:  j vectors + 0x040

    .align 4
fault:
    fresh_stack
    rsr.exccause a6
    rsr.epc1 a7
    call4 fault_found

    .global _start
    .align 4
_start:
    fresh_stack
    call4 start
