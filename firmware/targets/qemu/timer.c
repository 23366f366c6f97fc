// SPDX-License-Identifier: MIT
// machine.Timer: virtual timers only (id -1). A call is scheduled; periods that pass while it is pending are not made up
// for, and a timer that has been stopped or replaced meanwhile calls nothing.
#include "py/mphal.h"
#include "py/runtime.h"
#include "machine.h"
#include "timer.h"

typedef struct _timer_t {
    mp_obj_base_t base;
    struct _timer_t *next; // running ones
    mp_obj_t callback;
    uint64_t due_us;
    uint32_t period_us;
    bool once;
    bool queued; // a call is scheduled and has not begun
} timer_obj_t;

enum { ONE_SHOT, PERIODIC };

MP_REGISTER_ROOT_POINTER(struct _timer_t *qemu_timers);

static void stop(timer_obj_t *timer) {
    timer->callback = mp_const_none;
    for (timer_obj_t **at = &MP_STATE_PORT(qemu_timers); *at != NULL; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            return;
        }
    }
}

void timer_stop_all(void) {
    MP_STATE_PORT(qemu_timers) = NULL;
}

static mp_obj_t timer_fired(mp_obj_t self) {
    timer_obj_t *timer = MP_OBJ_TO_PTR(self);
    mp_obj_t callback = timer->callback;
    timer->queued = false;
    if (timer->once) {
        stop(timer);
    }
    return callback == mp_const_none ? mp_const_none : mp_call_function_1(callback, self);
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_fired_obj, timer_fired);

void timer_poll(void) {
    if (MP_STATE_PORT(qemu_timers) == NULL) {
        return; // reading the clock is the slower part
    }
    uint64_t now = machine_us();
    for (timer_obj_t *timer = MP_STATE_PORT(qemu_timers); timer != NULL; timer = timer->next) {
        if (now < timer->due_us) {
            continue;
        }
        // Where the queue is full the next poll tries again.
        if (timer->queued || mp_sched_schedule(MP_OBJ_FROM_PTR(&timer_fired_obj), MP_OBJ_FROM_PTR(timer))) {
            timer->queued = true;
            timer->due_us += timer->period_us;
            if (timer->due_us <= now) {
                timer->due_us = now + timer->period_us;
            }
        }
    }
}

uint64_t timer_next(uint64_t now, uint64_t most) {
    for (timer_obj_t *timer = MP_STATE_PORT(qemu_timers); timer != NULL; timer = timer->next) {
        uint64_t left = timer->due_us > now ? timer->due_us - now : 0;
        most = left < most ? left : most;
    }
    return most;
}

static mp_obj_t timer_init(size_t n_args, const mp_obj_t *args, mp_map_t *options) {
    enum { PERIOD, CALLBACK, MODE, FREQ };
    static const mp_arg_t allowed[] = {
        { MP_QSTR_period, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 0 } },
        { MP_QSTR_callback, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_mode, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = PERIODIC } },
    };
    timer_obj_t *timer = MP_OBJ_TO_PTR(args[0]);
    mp_arg_val_t values[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(n_args - 1, args + 1, options, MP_ARRAY_SIZE(allowed), allowed, values);
    if (values[PERIOD].u_int <= 0 || values[PERIOD].u_int > INT32_MAX / 1000 || !mp_obj_is_callable(values[CALLBACK].u_obj)) {
        mp_raise_ValueError(MP_ERROR_TEXT("period=milliseconds, callback=function"));
    }
    stop(timer);
    timer->callback = values[CALLBACK].u_obj;
    timer->period_us = (uint32_t)values[PERIOD].u_int * 1000;
    timer->once = values[MODE].u_int == ONE_SHOT;
    timer->due_us = machine_us() + timer->period_us;
    timer->next = MP_STATE_PORT(qemu_timers);
    MP_STATE_PORT(qemu_timers) = timer;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(timer_init_obj, 1, timer_init);

static mp_obj_t timer_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    if (n_args > 1 || (n_args == 1 && mp_obj_get_int(args[0]) != -1)) {
        mp_raise_ValueError(MP_ERROR_TEXT("only virtual timers: id -1"));
    }
    timer_obj_t *timer = mp_obj_malloc(timer_obj_t, type);
    timer->callback = mp_const_none;
    timer->queued = false;
    mp_obj_t self = MP_OBJ_FROM_PTR(timer);
    if (n_kw > 0) {
        mp_map_t options;
        mp_map_init_fixed_table(&options, n_kw, args + n_args);
        timer_init(1, &self, &options);
    }
    return self;
}

static mp_obj_t timer_deinit(mp_obj_t self) {
    stop(MP_OBJ_TO_PTR(self));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_deinit_obj, timer_deinit);

static const mp_rom_map_elem_t timer_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&timer_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&timer_deinit_obj) },
    { MP_ROM_QSTR(MP_QSTR_ONE_SHOT), MP_ROM_INT(ONE_SHOT) },
    { MP_ROM_QSTR(MP_QSTR_PERIODIC), MP_ROM_INT(PERIODIC) },
};
static MP_DEFINE_CONST_DICT(timer_locals, timer_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_timer_type, MP_QSTR_Timer, MP_TYPE_FLAG_NONE,
    make_new, timer_make_new,
    locals_dict, &timer_locals);
