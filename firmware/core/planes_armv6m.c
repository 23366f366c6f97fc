// SPDX-License-Identifier: MIT
// DEPTHWISE_CONV_2D with 3 x 3 taps and steps of 1, channel by channel: strips of a few rows are computed column by column,
// the sums of a column in as many registers, and kept in scratch until all of their channels are there, as the order of
// pixels asks for.
#include "arch.h"

#if TW_ARMV6M
#include "channel_armv6m.h"
#include "move.h"
#include "planes_armv6m.h"

#define ROWS TW_PLANE_ROWS // of sums, at most: the last ones of as many registers

// How a strip's columns are walked, of one channel. Taps that lie outside the input are the zero point: whole columns of
// taps are in the sum's start; a row of them comes first, so the last strip is walked upwards, its taps the other way round.
typedef struct {
    struct {
        int32_t zero;  // what the first row's element is, if it is not read
        uint32_t code; // run_columns sets it and the taps
        int32_t taps[3];
    } column[3]; // of taps
    uint32_t patch; // offset of the code that the last column of sums goes without
    uint32_t code;
    int32_t back;                // from behind a column's last taps to the next one's first
    int32_t first_zero, last_zero; // what is left of the first column's sums, and right of the last one's: 0 if it is read
    uint32_t offset;             // of code where columns of taps begin
    int32_t row, next;           // bytes to the next row, and from behind the last one to the next column of taps
    uint32_t columns;            // of sums, at least 2
    uint32_t skip;               // bytes: of column[], for the first column of sums
    const int32_t *bias;
    const int8_t *taps;              // a row before the first
    int32_t tap_row, two_rows, tap_next; // bytes to the next row of taps; from the row before the last to the next column
    const tw_channel_t *channel;
    const int32_t *sums; // the first one
    int8_t *y;
} walk_t;

#define READ "ldrsb r3, [r0, r1]\n adds r0, r1\n"
#define TAP(sum, tap) "movs r4, r3\n muls r4, " tap "\n add " sum ", r4\n"
#define LAST_TAP(sum, tap) "muls r3, " tap "\n add " sum ", r3\n"
// A column of taps from r3, rows r5, r6 = 2 * r5, next column r7. Their sum is r4.
#define TAPS(a, b, c)                                                                                              \
    "ldrsb r4, [r3, r5]\n str r4, [r2, #" a "]\n ldrsb r1, [r3, r6]\n str r1, [r2, #" b "]\n adds r4, r1\n"       \
    "adds r3, r6\n ldrsb r1, [r3, r5]\n str r1, [r2, #" c "]\n adds r4, r1\n adds r3, r7\n"

// A channel's outputs, by way of five sums of each column. 68 cycles for three times as many taps, 44 a column, and 150.
TW_ASSEMBLY static void run_columns(const int8_t *x, int32_t *sums, walk_t *w) {
    (void)x, (void)sums, (void)w;
    __asm__ volatile(".syntax unified\n" TW_SAVE
                     "push {r1, r2}\n movs r3, r2\n adds r3, #72\n"
                     "ldmia r3!, {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r7\n" // zeros, offset, row
                     "adr r4, 4f\n adds r6, r4\n adds r6, #1\n str r6, [r2, #4]\n str r6, [r2, #24]\n str r6, [r2, #44]\n"
                     "adr r4, 5f\n adds r4, #1\n str r4, [r2, #64]\n"
                     "ldmia r3!, {r4-r7}\n mov lr, r4\n mov r11, r5\n mov r12, r6\n ldr r1, [r7]\n"
                     "ldmia r3!, {r4-r7}\n movs r3, r4\n push {r1}\n" // bias
                     TAPS("8", "12", "16") "mov r1, r8\n muls r1, r4\n mov r8, r1\n"
                     TAPS("28", "32", "36") TAPS("48", "52", "56")
                     "pop {r1}\n mov r3, r9\n muls r4, r3\n adds r4, r1\n mov r5, r11\n push {r1, r4, r5}\n"
                     "add r1, r8\n movs r3, r1\n mov r1, r10\n add r2, r12\n"
                     "2:\n mov r8, r3\n mov r9, r3\n mov r10, r3\n mov r11, r3\n mov r12, r3\n"
                     "ldmia r2!, {r3-r7}\n bx r4\n"
                     ".balign 4\n"
                     "4:\n" READ LAST_TAP("r8", "r5")
                     READ TAP("r9", "r5") LAST_TAP("r8", "r6")
                     READ TAP("r10", "r5") TAP("r9", "r6") LAST_TAP("r8", "r7")
                     READ TAP("r11", "r5") TAP("r10", "r6") LAST_TAP("r9", "r7")
                     READ TAP("r12", "r5") TAP("r11", "r6") LAST_TAP("r10", "r7")
                     READ TAP("r12", "r6") LAST_TAP("r11", "r7")
                     READ LAST_TAP("r12", "r7")
                     "add r0, lr\n ldmia r2!, {r3-r7}\n bx r4\n"
                     ".balign 4\n"
                     "5:\n adds r0, r5\n ldr r2, [sp, #12]\n"
                     "mov r3, r8\n mov r4, r9\n mov r5, r10\n mov r6, r11\n mov r7, r12\n"
                     "stmia r2!, {r3-r7}\n str r2, [sp, #12]\n"
                     "ldr r4, [sp, #8]\n subs r4, #1\n beq 7f\n str r4, [sp, #8]\n"
                     "ldr r2, [sp, #16]\n ldr r3, [sp]\n cmp r4, #1\n bne 2b\n"
                     "ldr r4, [r2, #64]\n ldr r3, [r2, #60]\n str r4, [r2, r3]\n ldr r3, [sp, #4]\n b 2b\n"
                     "7:\n ldr r3, [sp, #16]\n adds r3, #120\n add sp, #20\n ldmia r3!, {r0, r1, r2}\n bl tw_channel_run\n");
}

// Columns or rows of taps that lie behind the end of the input.
static int32_t behind(int32_t in, int32_t out, int32_t pad) {
    return out + 2 - pad - in;
}

// Of a strip: as equal as can be, and never first and last at once.
static uint32_t strip_rows(uint32_t rows) {
    const uint32_t strips = rows <= ROWS ? 2 : (rows + ROWS - 1) / ROWS;
    return (rows + strips - 1) / strips;
}

bool tw_planes_fit(const tw_conv_t *p) {
    const uint32_t columns = p->out.w;
    return p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 &&
           p->dilation_w == 1 && p->out.h > 1 && columns > 1 && p->pad_top <= 1 && p->pad_left <= 1 &&
           behind(p->in.h, p->out.h, p->pad_top) <= 1 && behind(p->in.w, p->out.w, p->pad_left) <= 1 &&
           p->help.scratch_bytes >= (4 * ROWS + strip_rows(p->out.h) * p->out.c) * columns;
}

// Rows `top` to `top + rows` of the output, all channels, to `strip`.
static void run_strip(const tw_conv_t *p, const int8_t *x, uint32_t top, uint32_t rows, int8_t *strip) {
    const int32_t channels = p->out.c, row = p->in.w * channels, zero = p->in.zero_point;
    const uint32_t out_row = (uint32_t)(p->out.w * channels);
    const bool up = (int32_t)(top + rows) + 1 - p->pad_top >= p->in.h;
    const int32_t outside = up ? (int32_t)(top + rows) + 1 - p->pad_top - p->in.h + 1 : top < p->pad_top;
    const int32_t unused = ROWS - (int32_t)rows, read = (int32_t)rows + 2 - outside;
    const bool right = behind(p->in.w, p->out.w, p->pad_left) > 0;
    walk_t w;
    w.column[0].zero = w.column[1].zero = w.column[2].zero = zero;
    w.patch = right ? offsetof(walk_t, column[2].code) : offsetof(walk_t, code);
    w.back = -2 * channels;
    w.first_zero = p->pad_left ? zero : 0;
    w.last_zero = right ? zero : 0;
    w.offset = (uint32_t)((unused < 2 ? 8 * unused : 20 * unused - 18) + 4 * outside);
    w.row = up ? -row : row;
    w.next = channels - read * w.row;
    w.columns = p->out.w;
    w.skip = p->pad_left * sizeof w.column[0];
    w.bias = p->bias;
    w.tap_row = up ? -3 * channels : 3 * channels;
    w.two_rows = 2 * w.tap_row;
    w.tap_next = channels - w.two_rows;
    w.taps = (const int8_t *)p->weights + (up ? 9 : -3) * channels;
    int32_t *sums = p->help.scratch;
    tw_channel_t channel = {{p->requant.multiplier, p->requant.shift, p->out.zero_point, p->act_min, p->act_max},
        (int32_t)out_row, 4 * rows, p->out.w, 4 * (uint32_t)unused, channels - (int32_t)(rows * out_row)};
    w.channel = &channel;
    w.sums = sums + unused;
    w.y = strip;
    x += (up ? p->in.h : (int32_t)top - p->pad_top + outside - 1) * row;
    if (up) {
        w.y += (rows - 1) * out_row;
        channel.stride = -channel.stride;
        channel.y_skip = channels + (int32_t)(rows * out_row);
    }
    for (const int8_t *end = x + channels; x < end; ++x) {
        run_columns(x, sums, &w);
        ++w.bias;
        ++w.taps;
        ++w.y;
        ++channel.step.multiplier;
        ++channel.step.shift;
    }
}

void tw_planes_run(const tw_conv_t *p, const int8_t *x, int8_t *y) {
    const uint32_t row = (uint32_t)p->out.w * p->out.c, most = strip_rows(p->out.h);
    int8_t *strip = (int8_t *)p->help.scratch + 4 * ROWS * p->out.w;
    for (uint32_t top = 0, rows; top < p->out.h; top += rows, y += rows * row) {
        rows = p->out.h - top < most ? p->out.h - top : most;
        run_strip(p, x, top, rows, strip);
        tw_move(y, strip, rows * row);
    }
}
#endif
