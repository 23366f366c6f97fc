// SPDX-License-Identifier: MIT
// The arithmetic that a compiler for the ESP8266 asks libgcc for. Its libgcc keeps to another calling convention, and knows
// nothing of the divider that every ESP32 and ESP32-S has.
#include <stdint.h>

#undef KEEP
#define KEEP __attribute__((externally_visible)) // though all is compiled as one program, which names none of them

typedef union {
    uint64_t whole;
    struct {
        uint32_t low, high;
    } half;
} long_t;

KEEP uint64_t __muldi3(uint64_t a, uint64_t b);
KEEP uint32_t __udivsi3(uint32_t a, uint32_t b);
KEEP uint32_t __umodsi3(uint32_t a, uint32_t b);
KEEP int32_t __divsi3(int32_t a, int32_t b);
KEEP int32_t __modsi3(int32_t a, int32_t b);

// Signed or not, the low 64 bits of the product are the same. The upper half of a product of 32 bits is put together from
// those of 16: QEMU's processor lacks the instruction for it, and both are to run the same code.
uint64_t __muldi3(uint64_t a, uint64_t b) {
    const long_t x = { a }, y = { b };
    const uint32_t x0 = x.half.low & 0xffff, x1 = x.half.low >> 16, y0 = y.half.low & 0xffff, y1 = y.half.low >> 16;
    const uint32_t middle = x0 * y1 + (x0 * y0 >> 16); // at most 2^32 - 2^16
    const uint32_t upper = (middle & 0xffff) + x1 * y0;
    long_t product;
    product.half.low = x.half.low * y.half.low;
    product.half.high = x1 * y1 + (middle >> 16) + (upper >> 16);
    product.half.high += x.half.low * y.half.high + x.half.high * y.half.low;
    return product.whole;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) {
    __asm__("quou %0, %0, %1" : "+a"(a) : "a"(b));
    return a;
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
    __asm__("remu %0, %0, %1" : "+a"(a) : "a"(b));
    return a;
}

int32_t __divsi3(int32_t a, int32_t b) {
    __asm__("quos %0, %0, %1" : "+a"(a) : "a"(b));
    return a;
}

int32_t __modsi3(int32_t a, int32_t b) {
    __asm__("rems %0, %0, %1" : "+a"(a) : "a"(b));
    return a;
}
