// SPDX-License-Identifier: MIT
// setjmp and longjmp of the windowed ABI. A jmp_buf holds, in words:
//   0  a0 to a11 of the function that called setjmp (as many as it keeps across a call)
//   12 a0 to a3 of the function that called that one, which lie below its stack pointer
//   16 where setjmp returns to
#define FRAME 0
#define CALLER 48
#define RETURN 64

.macro copy from, from_at, to, to_at    // four words, through a8
    .irp i, 0, 4, 8, 12
    l32i a8, \from, \from_at + \i
    s32i a8, \to, \to_at + \i
    .endr
.endm

    .text
    .align 4
// spill(levels): calls that many deep put all older frames on the stack.
spill:
    entry a1, 32
    beqz a2, 1f
    addi a10, a2, -1
    call8 spill
1:  retw

    .global setjmp
    .type setjmp, @function
    .align 4
setjmp:
    entry a1, 48
    movi a10, 10            // more than there are windows of eight
    call8 spill
    addi a3, a1, -16
    copy a3, 0, a2, FRAME
    l32i a3, a2, FRAME + 4  // its stack pointer
    addi a3, a3, -16
    copy a3, 0, a2, CALLER
    s32i a0, a2, RETURN
    l32i a3, a2, CALLER + 4 // its caller's stack pointer, under which the rest lies
    extui a4, a0, 30, 2     // 1, 2, 3: call4, call8, call12
    blti a4, 2, 1f
    slli a4, a4, 4
    sub a3, a3, a4          // that of call8 is 32 bytes further down
    copy a3, 0, a2, FRAME + 16
    beqi a4, 32, 1f
    copy a3, 16, a2, FRAME + 32
1:  movi a2, 0
    retw

    .global longjmp
    .type longjmp, @function
    .align 4
longjmp:
    entry a1, 48
    rsr.windowbase a4       // no frame but this one is in registers: the return takes the other from the stack
    ssl a4
    movi a4, 1
    sll a4, a4
    wsr.windowstart a4
    rsync
    addi a4, a1, -16
    copy a2, FRAME, a4, 0
    l32i a4, a2, FRAME + 4
    addi a4, a4, -16
    copy a2, CALLER, a4, 0
    l32i a0, a2, RETURN
    l32i a4, a2, CALLER + 4
    extui a5, a0, 30, 2
    blti a5, 2, 1f
    slli a5, a5, 4
    sub a4, a4, a5
    copy a2, FRAME + 16, a4, 0
    beqi a5, 32, 1f
    copy a2, FRAME + 32, a4, 16
1:  movi a2, 1
    movnez a2, a3, a3       // setjmp returns the value, 1 in place of 0
    retw
