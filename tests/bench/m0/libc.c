// SPDX-License-Identifier: MIT
// What the core takes from libc, byte by byte as newlib has it for this core.
#include <stddef.h>
#include <stdint.h>

void *memmove(void *dest, const void *src, size_t n);
void *memcpy(void *dest, const void *src, size_t n);
void *memset(void *s, int c, size_t n);

void *memmove(void *dest, const void *src, size_t n) {
    uint8_t *d = dest;
    const uint8_t *s = src;
    if (d <= s) {
        while (n--) {
            *d++ = *s++;
        }
    } else {
        while (n--) {
            d[n] = s[n];
        }
    }
    return dest;
}

void *memcpy(void *dest, const void *src, size_t n) {
    return memmove(dest, src, n);
}

void *memset(void *s, int c, size_t n) {
    for (uint8_t *p = s; n--;) {
        *p++ = (uint8_t)c;
    }
    return s;
}
