// SPDX-License-Identifier: MIT
// The front end's steps that a processor has its own of against the reference's, on tables and samples drawn by lot.
// test_fast_frontend.py runs it on an emulated Cortex-M0+ and a Cortex-M4.
//
// The job: u32 first case, u32 end, a quarter wave as int16 [129]. Sends the number of the first case that differs, or
// the end.
#include "arch.h"
#include "board.h"
#include "frontend_stages.h"

#include <string.h>

#include "fft_armv6m.c" // for what it has static: its last step
#include "fft_armv7em.c"

#undef TW_ARMV6M
#define TW_ARMV6M 0
#undef TW_ARMV7EM
#define TW_ARMV7EM 0
#define tw_fft_apply reference_fft
#define reorder reference_reorder
#define separate reference_separate
#define tw_window_apply reference_window
#define tw_window_rise reference_rise
#define tw_window_fall reference_fall
#define tw_filterbank_apply reference_filterbank
#define tw_filterbank_add reference_add
#define tw_filterbank_root reference_root
unsigned reference_window(tw_frontend_t *fe);
void reference_fft(tw_frontend_t *fe, unsigned shift);
void reference_filterbank(const tw_frontend_t *fe, unsigned shift, uint32_t *signal);
uint32_t reference_rise(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n);
uint32_t reference_fall(const int16_t *x, const int16_t *entry, int16_t *to, unsigned n);
void reference_add(const uint32_t *energy, const uint16_t *weight, const uint32_t *end, tw_slopes_t *sums);
uint32_t reference_root(uint64_t x);
#include "fft.c"
#include "filterbank.c"
#include "window.c"
#undef tw_fft_apply
#undef tw_window_apply
#undef tw_window_rise
#undef tw_window_fall
#undef tw_filterbank_apply
#undef tw_filterbank_add
#undef tw_filterbank_root

enum { N = TW_FRONTEND_FFT, BINS = N / 2 };

static uint32_t seed;
static tw_frontend_t fast, reference;
static int16_t table[N], x[N], to[N], reference_to[N];

static uint32_t any(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8 ^ seed << 13;
}

static uint32_t upto(uint32_t most) {
    return (any() >> 8) % (most + 1);
}

// Of so many bits, the ends among them.
static int16_t sample(unsigned bits) {
    const int32_t end = 1 << (bits - 1);
    const uint32_t kind = upto(9);
    return (int16_t)(kind == 0 ? -end : kind == 1 ? end - 1 : (int16_t)any() >> (16 - bits));
}

// Samples that a shift may be applied to, and twiddle factors of every kind: a file may hold any. With those at their
// ends sums wrap.
static bool fft_differs(const int16_t *sine) {
    const unsigned shift = upto(1) ? upto(15) : 0, every = 1 + upto(15), kind = upto(2), table_kind = upto(3);
    for (unsigned i = 0; i < N; i++) {
        const int16_t end = (int16_t)((i / every % 2 ? INT16_MIN : INT16_MAX) >> shift);
        fast.work.samples[i] = kind ? sample(16 - shift) : end;
        table[i] = table_kind == 0 ? INT16_MAX : table_kind == 1 && upto(1) ? INT16_MIN : sample(16);
    }
    fast.sine = table_kind == 2 ? sine : table;
    reference = fast;
    tw_fft_apply(&fast, shift);
    reference_fft(&reference, shift);
    return memcmp(fast.work.energies + 1, reference.work.energies + 1, (BINS - 1) * sizeof fast.work.energies[0]) != 0;
}

#ifdef SEPARATE
__attribute__((naked, noinline)) static void fast_separate(uint32_t *x, const int16_t *sine) {
    (void)x, (void)sine;
    __asm__ volatile(".syntax unified\n" BEGIN SEPARATE END);
}
#else
static void fast_separate(uint32_t *x, const int16_t *sine) {
    to_energies(sine, x);
}
#endif

// Of numbers that no transform gives as often.
static bool separate_differs(void) {
    for (unsigned i = 0; i < N; i++) {
        fast.work.samples[i] = sample(16);
        table[i] = sample(16);
    }
    reference = fast;
    fast_separate(fast.work.energies, table);
    reference_separate(table, reference.work.bins);
    return memcmp(fast.work.energies + 1, reference.work.energies + 1, (BINS - 1) * sizeof fast.work.energies[0]) != 0;
}

static bool window_differs(void) {
    const unsigned n = upto(9) ? upto(N / 2) : 0, from = upto(3), place = upto(3);
    for (unsigned i = 0; i < N; i++) {
        const int rising = (int)upto(4096), change = (int)upto(7) - 4, falling = rising + change;
        table[i] = (int16_t)(rising | (falling < 0 || falling > 4096 ? 0 : change) * 8192);
        x[i] = sample(16);
        to[i] = reference_to[i] = 42;
    }
    uint32_t bits = tw_window_rise(x + from, table + 1, to + place, n);
    const bool same = bits == reference_rise(x + from, table + 1, reference_to + place, n);
    if (!same || memcmp(to, reference_to, sizeof to)) {
        return true;
    }
    bits = tw_window_fall(x + from, table + N - 1, to + place, n);
    const uint32_t reference_bits = reference_fall(x + from, table + N - 1, reference_to + place, n);
    return bits != reference_bits || memcmp(to, reference_to, sizeof to);
}

static bool filterbank_differs(void) {
    tw_slopes_t sums = {(uint64_t)any() << 18, (uint64_t)any() << 18}, reference_sums = sums;
    uint32_t energy[TW_BINS_AT_ONCE];
    uint16_t weight[TW_BINS_AT_ONCE];
    const unsigned n = 1 + upto(TW_BINS_AT_ONCE - 1), small = upto(31), kind = upto(3);
    for (unsigned i = 0; i < TW_BINS_AT_ONCE; i++) {
        energy[i] = kind == 0 ? INT32_MAX : any() >> 1 >> small;
        weight[i] = (uint16_t)(kind == 1 ? 0 : upto(3) ? upto(4096) : 4096);
    }
    tw_filterbank_add(energy, weight, energy + n, &sums);
    reference_add(energy, weight, energy + n, &reference_sums);
    return sums.falling != reference_sums.falling || sums.rising != reference_sums.rising;
}

// Whether it is the nearest integer, by definition; and around squares and the halves between them.
static bool root_differs(void) {
    const uint64_t number = ((uint64_t)any() << 32 | any()) >> (4 + upto(59)), root = any() >> (2 + upto(29));
    const uint64_t tried[] = {number, root * root, root * root + root, root * root + root + 1, root * root + 2 * root,
        0xFFFF * 0xFFFFull + upto(0x1FFFE), 0, (1ull << 60) - 1};
    for (unsigned i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        const uint64_t y = tw_filterbank_root(tried[i]), up = y * y + y, down = y * y - y;
        const bool nearest = (y == 0 || tried[i] > down) && (tried[i] <= up || (y == 0xFFFF && tried[i] >> 32 == 0));
        if (!nearest || y != reference_root(tried[i])) {
            return true;
        }
    }
    return false;
}

__attribute__((section(".start"), noreturn)) void start(void) {
    const uint32_t *job = (const uint32_t *)JOB;
    uint32_t number = job[0];
    for (; number < job[1]; number++) {
        seed = number;
        const bool transform = fft_differs((const int16_t *)(job + 2)) || separate_differs();
        if (transform || window_differs() || filterbank_differs() || root_differs()) {
            break;
        }
    }
    board_send(&number, sizeof number);
    board_exit(0);
}
