// SPDX-License-Identifier: MIT
// AVERAGE_POOL_2D and MAX_POOL_2D, reference. Scales of input and output are equal, so nothing is requantised.
#include "fixed.h"
#include "ops.h"

// The part of a kernel that lies inside the input, in input rows and columns: [top, bottom) x [left, right).
typedef struct {
    int32_t top, bottom, left, right;
} region_t;

static region_t region(const tw_pool_t *p, int32_t oy, int32_t ox) {
    const int32_t top = oy * p->stride_h - p->pad_top;
    const int32_t left = ox * p->stride_w - p->pad_left;
    region_t r = {
        .top = top < 0 ? 0 : top,
        .bottom = top + p->kernel_h > p->in.h ? p->in.h : top + p->kernel_h,
        .left = left < 0 ? 0 : left,
        .right = left + p->kernel_w > p->in.w ? p->in.w : left + p->kernel_w,
    };
    if (r.left == 0 && r.right == p->in.w) { // rows that follow each other are one
        r.right *= r.bottom - r.top;
        r.bottom = r.top + 1;
    }
    return r;
}

// The mean or the largest of one channel's elements.
static int32_t reduce(const tw_pool_t *p, const int8_t *x, region_t r, bool mean) {
    int32_t sum = mean ? 0 : INT8_MIN; // or the largest
    const size_t step = p->in.c;
    for (int32_t iy = r.top; iy < r.bottom; ++iy) {
        const int8_t *at = x + ((size_t)iy * p->in.w + (size_t)r.left) * step;
        const int8_t *end = at + (size_t)(r.right - r.left) * step; // no region is empty
        if (mean) {
            do {
                sum += *at;
                at += step;
            } while (at < end);
        }
        for (; at < end; at += step) {
            sum = *at > sum ? *at : sum;
        }
    }
    if (!mean) {
        return sum;
    }
    const uint32_t count = (uint32_t)((r.bottom - r.top) * (r.right - r.left));
    const uint32_t rounded = ((uint32_t)(sum < 0 ? -sum : sum) + count / 2) / count; // a half goes away from zero
    return sum < 0 ? -(int32_t)rounded : (int32_t)rounded;
}

static void pool(const tw_pool_t *p, const int8_t *x, int8_t *y, bool mean) {
    for (int32_t oy = 0; oy < p->out.h; ++oy) {
        for (int32_t ox = 0; ox < p->out.w; ++ox) {
            const region_t r = region(p, oy, ox);
            for (uint32_t c = 0; c < p->out.c; ++c) {
                *y++ = (int8_t)tw_fixed_clamp(reduce(p, x + c, r, mean), p->act_min, p->act_max);
            }
        }
    }
}

void tw_pool_average_s8(const tw_pool_t *p, const int8_t *x, int8_t *y) {
    pool(p, x, y, true);
}

void tw_pool_max_s8(const tw_pool_t *p, const int8_t *x, int8_t *y) {
    pool(p, x, y, false);
}
