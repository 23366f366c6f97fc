// SPDX-License-Identifier: MIT
// 64-bit shifts and divisions and the counting of bits, which compilers for Xtensa ask libgcc for: Debian's keeps to another
// calling convention. The rest of it is in firmware/module/natmod_xtensa.c.
#include <stdint.h>

typedef union {
    uint64_t whole;
    struct {
        uint32_t low, high;
    } half;
} wide_t;

uint64_t __ashldi3(uint64_t value, int by);
uint64_t __lshrdi3(uint64_t value, int by);
int64_t __ashrdi3(int64_t value, int by);
uint64_t __udivdi3(uint64_t value, uint64_t by);
uint64_t __umoddi3(uint64_t value, uint64_t by);
int64_t __divdi3(int64_t value, int64_t by);
int64_t __moddi3(int64_t value, int64_t by);
int __popcountsi2(uint32_t value);
uint32_t __bswapsi2(uint32_t value);

uint64_t __ashldi3(uint64_t value, int by) {
    wide_t x = { value };
    if (by >= 32) {
        x.half.high = x.half.low << (by - 32);
        x.half.low = 0;
    } else if (by > 0) {
        x.half.high = x.half.high << by | x.half.low >> (32 - by);
        x.half.low <<= by;
    }
    return x.whole;
}

uint64_t __lshrdi3(uint64_t value, int by) {
    wide_t x = { value };
    if (by >= 32) {
        x.half.low = x.half.high >> (by - 32);
        x.half.high = 0;
    } else if (by > 0) {
        x.half.low = x.half.low >> by | x.half.high << (32 - by);
        x.half.high >>= by;
    }
    return x.whole;
}

int64_t __ashrdi3(int64_t value, int by) {
    wide_t x = { (uint64_t)value };
    int32_t high = (int32_t)x.half.high;
    if (by >= 32) {
        x.half.low = (uint32_t)(high >> (by - 32));
        x.half.high = (uint32_t)(high >> 31);
    } else if (by > 0) {
        x.half.low = x.half.low >> by | x.half.high << (32 - by);
        x.half.high = (uint32_t)(high >> by);
    }
    return (int64_t)x.whole;
}

// In digits of 16 bits where the divisor is one, else bit by bit.
static uint64_t divide(uint64_t value, uint64_t by, uint64_t *rest) {
    wide_t x = { value }, quotient = { 0 };
    if (by < 0x10000) {
        uint32_t d = (uint32_t)by, r = x.half.high % d;
        quotient.half.high = x.half.high / d;
        r = r << 16 | x.half.low >> 16;
        quotient.half.low = r / d << 16;
        r = r % d << 16 | (x.half.low & 0xffff);
        quotient.half.low |= r / d;
        *rest = r % d;
        return quotient.whole;
    }
    uint64_t r = 0;
    for (int i = 0; i < 64; ++i) {
        uint32_t lost = (uint32_t)(r >> 63);
        r = r << 1 | x.half.high >> 31;
        x.whole <<= 1;
        quotient.whole <<= 1;
        if (lost || r >= by) {
            r -= by;
            quotient.half.low |= 1;
        }
    }
    *rest = r;
    return quotient.whole;
}

uint64_t __udivdi3(uint64_t value, uint64_t by) {
    uint64_t rest;
    return divide(value, by, &rest);
}

uint64_t __umoddi3(uint64_t value, uint64_t by) {
    uint64_t rest;
    divide(value, by, &rest);
    return rest;
}

static uint64_t magnitude(int64_t value) {
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

int64_t __divdi3(int64_t value, int64_t by) {
    uint64_t quotient = __udivdi3(magnitude(value), magnitude(by));
    return (int64_t)((value < 0) != (by < 0) ? -quotient : quotient);
}

int64_t __moddi3(int64_t value, int64_t by) {
    uint64_t rest = __umoddi3(magnitude(value), magnitude(by));
    return (int64_t)(value < 0 ? -rest : rest);
}

int __popcountsi2(uint32_t value) {
    int count = 0;
    for (; value; value &= value - 1) {
        ++count;
    }
    return count;
}

uint32_t __bswapsi2(uint32_t value) {
    return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}
