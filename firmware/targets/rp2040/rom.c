// SPDX-License-Identifier: MIT
// A stand-in for the RP2040's mask ROM, for the emulator only: what MicroPython, CircuitPython and the Pico SDK call
// there. Floating point is libgcc's. Flash is memory that this ROM may write, a word at a time.
#include <stddef.h>
#include <stdint.h>

enum { XIP_BASE = 0x10000000 };

void unimplemented(void);
void nothing(void);
void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
uint32_t popcount32(uint32_t value);
uint32_t reverse32(uint32_t value);
uint32_t clz32(uint32_t value);
uint32_t ctz32(uint32_t value);
void flash_range_erase(uint32_t offset, size_t bytes, uint32_t block, uint8_t command);
void flash_range_program(uint32_t offset, const uint8_t *data, size_t bytes);

const char copyright[] = "tinywake's stand-in for the mask ROM";

void nothing(void) {
}

uint32_t popcount32(uint32_t value) {
    uint32_t count = 0;
    for (; value; value &= value - 1) {
        count++;
    }
    return count;
}

uint32_t reverse32(uint32_t value) {
    uint32_t reversed = 0;
    for (int i = 0; i < 32; i++) {
        reversed = reversed << 1 | (value >> i & 1);
    }
    return reversed;
}

uint32_t clz32(uint32_t value) {
    uint32_t count = 0;
    for (uint32_t bit = 0x80000000u; bit && !(value & bit); bit >>= 1) {
        count++;
    }
    return count;
}

uint32_t ctz32(uint32_t value) {
    uint32_t count = 0;
    for (uint32_t bit = 1; bit && !(value & bit); bit <<= 1) {
        count++;
    }
    return count;
}

// volatile: else the compiler would make calls of these functions of their own loops.
void *memset(void *to, int byte, size_t bytes) {
    volatile uint8_t *p = to;
    for (; bytes && ((uintptr_t)p & 3); bytes--) {
        *p++ = (uint8_t)byte;
    }
    for (const uint32_t word = (uint8_t)byte * 0x01010101u; bytes >= 4; bytes -= 4, p += 4) {
        *(volatile uint32_t *)p = word;
    }
    for (; bytes; bytes--) {
        *p++ = (uint8_t)byte;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes) {
    volatile uint8_t *p = to;
    const uint8_t *q = from;
    if ((((uintptr_t)p | (uintptr_t)q) & 3) == 0) {
        for (; bytes >= 4; bytes -= 4, p += 4, q += 4) {
            *(volatile uint32_t *)p = *(const uint32_t *)q;
        }
    }
    for (; bytes; bytes--) {
        *p++ = *q++;
    }
    return to;
}

// Offsets and sizes are those of whole sectors and pages: the SDK checks.
void flash_range_erase(uint32_t offset, size_t bytes, uint32_t block, uint8_t command) {
    (void)block;
    (void)command;
    memset((void *)(XIP_BASE + offset), 0xff, bytes);
}

// As flash does, this can only turn ones into zeros.
void flash_range_program(uint32_t offset, const uint8_t *data, size_t bytes) {
    volatile uint32_t *to = (volatile uint32_t *)(XIP_BASE + offset);
    for (size_t i = 0; i < bytes; i += 4) {
        *to++ &= (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16 | (uint32_t)data[i + 3] << 24;
    }
}

// The tables of floating-point functions, in the order of the SDK's sf_table.h. Its own code stands in for most of them.
typedef void (*function_t)(void);
typedef struct {
    uint8_t before[2], words, after; // the SDK reads the size two bytes before the table
    function_t table[32];
} table_t;

void __aeabi_fadd(void), __aeabi_fsub(void), __aeabi_fmul(void), __aeabi_fdiv(void), __aeabi_f2iz(void);
void __aeabi_f2uiz(void), __aeabi_i2f(void), __aeabi_ui2f(void), __aeabi_l2f(void), __aeabi_ul2f(void);
void __aeabi_f2lz(void), __aeabi_f2ulz(void), __aeabi_f2d(void);
void __aeabi_dadd(void), __aeabi_dsub(void), __aeabi_dmul(void), __aeabi_ddiv(void), __aeabi_d2iz(void);
void __aeabi_d2uiz(void), __aeabi_i2d(void), __aeabi_ui2d(void), __aeabi_l2d(void), __aeabi_ul2d(void);
void __aeabi_d2lz(void), __aeabi_d2ulz(void), __aeabi_d2f(void);

#define TABLE(add, sub, mul, div, to_int, to_uint, of_int, of_uint, of_long, of_ulong, to_long, to_ulong, to_other) \
    {{0, 0}, 32, 0, {add, sub, mul, div, [4 ... 30] = unimplemented, [7] = to_int, [9] = to_uint, [11] = of_int, \
                     [13] = of_uint, [23] = of_long, [25] = of_ulong, [27] = to_long, [29] = to_ulong, [31] = to_other}}

const table_t float_table = TABLE(__aeabi_fadd, __aeabi_fsub, __aeabi_fmul, __aeabi_fdiv, __aeabi_f2iz, __aeabi_f2uiz,
    __aeabi_i2f, __aeabi_ui2f, __aeabi_l2f, __aeabi_ul2f, __aeabi_f2lz, __aeabi_f2ulz, __aeabi_f2d);
const table_t double_table = TABLE(__aeabi_dadd, __aeabi_dsub, __aeabi_dmul, __aeabi_ddiv, __aeabi_d2iz, __aeabi_d2uiz,
    __aeabi_i2d, __aeabi_ui2d, __aeabi_l2d, __aeabi_ul2d, __aeabi_d2lz, __aeabi_d2ulz, __aeabi_d2f);
