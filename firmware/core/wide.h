// SPDX-License-Identifier: MIT
// For kernels that the compiler turns into vector code.
#ifndef TW_WIDE_H
#define TW_WIDE_H

#include "ops.h"

// A second version of a function, for processors with AVX2, chosen when the library is loaded.
#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__)
#define TW_VECTOR __attribute__((target_clones("avx2", "default")))
#define TW_AVX2 __attribute__((target("avx2"))) // a function with operations of this processor
// Vectors as they lie in memory, at any address and of any type.
typedef int8_t tw_8_bytes_t __attribute__((vector_size(8), aligned(1), may_alias));
typedef int8_t tw_16_bytes_t __attribute__((vector_size(16), aligned(1), may_alias));
typedef int8_t tw_32_bytes_t __attribute__((vector_size(32), aligned(1), may_alias));
typedef char tw_16_chars_t __attribute__((vector_size(16))); // as the compiler's own functions name them
typedef int16_t tw_16_shorts_t __attribute__((vector_size(32), aligned(1), may_alias));
typedef int32_t tw_4_words_t __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t tw_8_words_t __attribute__((vector_size(32), aligned(1), may_alias));
typedef int64_t tw_4_longs_t __attribute__((vector_size(32), aligned(1), may_alias));

// The compiler's own conversion takes four instructions for this one.
TW_AVX2 static inline tw_16_shorts_t tw_wide_shorts(tw_16_bytes_t x) {
    return (tw_16_shorts_t)__builtin_ia32_pmovsxbw256((tw_16_chars_t)x);
}
#else
#define TW_VECTOR
#endif

#define TW_WIDE_CHANNELS 64 // at a time

// Whether all channels can be requantised in 32 bits.
bool tw_wide_narrow(const tw_conv_t *p);

// Sums, without their biases, of n channels from `first` on, at most TW_WIDE_CHANNELS; and of further pixels, each `pitch`
// behind the last one.
typedef struct {
    uint32_t first, n, pixels, pitch;
} tw_wide_t;

// Outputs of sums: y[0..n-1], and so on by p->out.c. narrow: tw_wide_narrow.
void tw_wide_requant(const tw_conv_t *p, bool narrow, const tw_wide_t *of, const int32_t *sums, int8_t *y);

#endif
