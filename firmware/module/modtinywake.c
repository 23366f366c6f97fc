// SPDX-License-Identifier: MIT
// _tinywake: the C core as a Python module. It only converts: arguments are checked, the core is called, errors are
// raised by the core's own name. One source for both builds: native module (.mpy) and user C module.
// _tinywake.pyi is its documentation. Nothing allocates after construction.
#ifdef MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#else
#include "py/obj.h"
#include "py/runtime.h"
#endif

#include "crc.h"
#include "decode.h"
#include "listener.h"

#include <string.h>

#ifdef MICROPY_ENABLE_DYNRUNTIME
#define KEEP __attribute__((externally_visible)) // for mpy_ld: natmod.mk compiles all as one program
// A native module is linked without initialised data, and its BSS must not be static.
KEEP mp_obj_full_type_t tinywake_model_type;
KEEP mp_obj_full_type_t tinywake_listener_type;
KEEP mp_map_elem_t tinywake_model_locals[5];
KEEP mp_map_elem_t tinywake_listener_locals[5];
#define TYPE(name) ((const mp_obj_type_t *)&tinywake_##name##_type)
// The interpreter's functions, found once: the way through the linker's table is longer than a call.
__attribute__((noinline, const)) static const mp_fun_table_t *interpreter(void) {
    return &mp_fun_table;
}
#define mp_fun_table (*interpreter())
#else
extern const mp_obj_type_t tinywake_model_type;
extern const mp_obj_type_t tinywake_listener_type;
#define TYPE(name) (&tinywake_##name##_type)
#endif

// Small ints have 30 bits on 32-bit boards; audio time wraps with them, as ticks_ms does.
#define SMALL(x) MP_OBJ_NEW_SMALL_INT((mp_int_t)((x) & 0x3FFFFFFF))

typedef struct {
    mp_obj_base_t base;
    tw_model_t model;
    mp_obj_t file; // keeps what `model` points into alive; its arena is reached through model.state
    mp_obj_t labels, wake, input, output;
} model_obj_t;

typedef struct {
    mp_obj_base_t base;
    tw_listener_t listener; // its memory is reached through detector.label, the gate's through backlog.inputs
    mp_obj_t models;        // or one of them
} listener_obj_t;

static void check(int code) {
    if (code >= 0) {
        return;
    }
    // In the order of errors.h. One string, because a table of pointers would need relocations.
    const char *name =
        "TW_ERR_TRUNCATED\0TW_ERR_MAGIC\0TW_ERR_VERSION\0TW_ERR_CRC\0TW_ERR_ALIGN\0TW_ERR_SECTION\0TW_ERR_TENSOR\0"
        "TW_ERR_OP\0TW_ERR_FRONTEND\0TW_ERR_DETECTOR\0TW_ERR_ARENA\0TW_ERR_RANGE\0TW_ERR_STATE\0";
    while (++code < 0) {
        while (*name++) {
        }
    }
    mp_raise_msg(&mp_type_ValueError, (mp_rom_error_text_t)name);
}

static mp_buffer_info_t buffer(mp_obj_t obj, mp_uint_t flags) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(obj, &info, flags);
    return info;
}

static void *self_of(mp_obj_t obj, const mp_obj_type_t *type) {
    if (mp_obj_get_type(obj) != type) {
        mp_raise_msg(&mp_type_TypeError, MP_ERROR_TEXT("wrong type"));
    }
    return MP_OBJ_TO_PTR(obj);
}

// ---- Model

// (h, w, c, type, zero point, mantissa, exponent): scale = mantissa * 2^exponent
static mp_obj_t describe(const tw_model_t *m, int which) {
    tw_io_t io;
    tw_tensor_t t;
    tw_decode_io(m, &io);
    tw_decode_tensor(m, io.tensor[which], &t);
    const mp_obj_t items[7] = {SMALL(t.h), SMALL(t.w), SMALL(t.c), SMALL(t.type),
        MP_OBJ_NEW_SMALL_INT(t.zero_point), MP_OBJ_NEW_SMALL_INT(io.mantissa[which]),
        MP_OBJ_NEW_SMALL_INT(io.exponent[which])};
    return mp_obj_new_tuple(7, items);
}

static void describe_labels(model_obj_t *self) {
    tw_detector_t d;
    mp_obj_t names[TW_DETECTOR_MAX_LABELS], wake[TW_DETECTOR_MAX_LABELS];
    d.labels = 0;
    if (self->model.detector) {
        tw_detector_open(&d, self->model.detector);
    }
    for (uint32_t i = 0; i < d.labels; ++i) {
        size_t len;
        const uint8_t *name = tw_detector_name(&d, i, &len);
        names[i] = mp_obj_new_str((const char *)name, len);
        wake[i] = mp_obj_new_bool(tw_detector_wake(&d, i));
    }
    self->labels = mp_obj_new_tuple(d.labels, names);
    self->wake = mp_obj_new_tuple(d.labels, wake);
}

static mp_obj_t model_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    const mp_buffer_info_t file = buffer(args[0], MP_BUFFER_READ);
    model_obj_t *self = mp_obj_malloc(model_obj_t, type);
    self->file = args[0];
    check(tw_model_open(&self->model, file.buf, file.len));
    check(tw_model_attach(&self->model, m_malloc(self->model.arena_bytes), self->model.arena_bytes));
    self->input = describe(&self->model, 0);
    self->output = describe(&self->model, 1);
    describe_labels(self);
    return MP_OBJ_FROM_PTR(self);
}

static tw_model_t *model_of(mp_obj_t obj) {
    return &((model_obj_t *)self_of(obj, TYPE(model)))->model;
}

static mp_obj_t model_verify(mp_obj_t self) {
    check(tw_model_verify(model_of(self)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(model_verify_obj, model_verify);

static mp_obj_t model_reset(mp_obj_t self) {
    tw_model_reset(model_of(self));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(model_reset_obj, model_reset);

static mp_obj_t model_load(mp_obj_t self, mp_obj_t x) {
    tw_model_t *m = model_of(self);
    const mp_buffer_info_t info = buffer(x, MP_BUFFER_READ);
    check(info.len == m->input_bytes ? TW_OK : TW_ERR_RANGE);
    memmove(m->input, info.buf, info.len); // the buffer may be a part of the arena
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(model_load_obj, model_load);

static mp_obj_t model_run(mp_obj_t self, mp_obj_t first, mp_obj_t last) {
    const mp_int_t from = mp_obj_get_int(first), to = mp_obj_get_int(last);
    check(from < 0 || to < 0 ? TW_ERR_RANGE : tw_model_run(model_of(self), (uint32_t)from, (uint32_t)to));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(model_run_obj, model_run);

static mp_obj_t model_store(mp_obj_t self, mp_obj_t y) {
    const tw_model_t *m = model_of(self);
    const mp_buffer_info_t info = buffer(y, MP_BUFFER_WRITE);
    check(info.len == m->output_bytes ? TW_OK : TW_ERR_RANGE);
    memmove(info.buf, m->output, info.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(model_store_obj, model_store);

// A model reads as a buffer: its arena, state first. Nobody may write or resize it; who holds it keeps the memory alive.
static mp_int_t model_buffer(mp_obj_t obj, mp_buffer_info_t *info, mp_uint_t flags) {
    const tw_model_t *m = &((const model_obj_t *)MP_OBJ_TO_PTR(obj))->model;
    info->buf = m->state;
    info->len = m->arena_bytes;
    info->typecode = 'B';
    return flags & MP_BUFFER_WRITE ? 1 : 0;
}

static void model_attr(mp_obj_t obj, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be set
    }
    const model_obj_t *self = MP_OBJ_TO_PTR(obj);
    if (attr == MP_QSTR_arena_bytes) {
        dest[0] = SMALL(self->model.arena_bytes);
    } else if (attr == MP_QSTR_state_bytes) {
        dest[0] = SMALL(self->model.state_bytes);
    } else if (attr == MP_QSTR_ops) {
        dest[0] = SMALL(self->model.op_count);
    } else if (attr == MP_QSTR_warmup) {
        dest[0] = SMALL(self->model.warmup);
    } else if (attr == MP_QSTR_labels) {
        dest[0] = self->labels;
    } else if (attr == MP_QSTR_wake) {
        dest[0] = self->wake;
    } else if (attr == MP_QSTR_input) {
        dest[0] = self->input;
    } else if (attr == MP_QSTR_output) {
        dest[0] = self->output;
    } else {
        dest[1] = MP_OBJ_SENTINEL; // a method: go on in the locals dict
    }
}

// ---- Listener

// args: a Model, or the margin of the energy in dB; and the time that the gate stays open in ms.
static void put_gate(tw_listener_t *l, const mp_obj_t *args) {
    const mp_int_t hold = mp_obj_get_int(args[1]);
    tw_gate_params_t params = {NULL, (uint16_t)hold, 0};
    mp_int_t margin = 0;
    if (mp_obj_is_small_int(args[0])) {
        margin = MP_OBJ_SMALL_INT_VALUE(args[0]);
        params.margin_db = (uint8_t)margin;
    } else {
        params.model = model_of(args[0]);
    }
    check(hold != params.hold_ms || margin != params.margin_db ? TW_ERR_RANGE : TW_OK);
    tw_gate_t *gate = m_malloc(sizeof *gate);
    check(tw_listener_put_gate(l, gate, &params));
    tw_gate_attach(gate, m_malloc(gate->memory_bytes));
}

static mp_obj_t listener_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 3, false);
    listener_obj_t *self = mp_obj_malloc(listener_obj_t, type);
    memset(&self->listener, 0, sizeof self->listener);
    self->models = args[0];
    check(tw_listener_open(&self->listener, model_of(args[0])));
    if (n_args > 1) {
        self->models = mp_obj_new_tuple(n_args, args);
        check(n_args == 3 ? TW_OK : TW_ERR_RANGE);
        put_gate(&self->listener, args + 1);
    }
    tw_listener_attach(&self->listener, m_malloc(self->listener.detector.memory_bytes));
    return MP_OBJ_FROM_PTR(self);
}

static tw_listener_t *listener_of(mp_obj_t obj) {
    return &((listener_obj_t *)self_of(obj, TYPE(listener)))->listener;
}

static mp_obj_t listener_reset(mp_obj_t self) {
    tw_listener_reset(listener_of(self));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(listener_reset_obj, listener_reset);

static mp_obj_t listener_feed(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    tw_listener_t *l = listener_of(args[0]);
    const mp_buffer_info_t pcm = buffer(args[1], MP_BUFFER_READ);
    const mp_int_t start = mp_obj_get_int(args[2]), end = mp_obj_get_int(args[3]);
    check((uintptr_t)pcm.buf % 2 ? TW_ERR_ALIGN : TW_OK);
    check(start < 0 || start > end || (size_t)end > pcm.len / 2 ? TW_ERR_RANGE : TW_OK);
    const size_t taken = tw_listener_push(l, (const int16_t *)pcm.buf + start, (size_t)(end - start));
    return MP_OBJ_NEW_SMALL_INT(start + (mp_int_t)taken);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(listener_feed_obj, 4, 4, listener_feed);

static mp_obj_t listener_settle(mp_obj_t self) {
    return MP_OBJ_NEW_SMALL_INT(tw_listener_settle(listener_of(self)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(listener_settle_obj, listener_settle);

static uint32_t label_of(const tw_listener_t *l, mp_obj_t index) {
    const mp_int_t label = mp_obj_get_int(index);
    check(label < 0 || label >= l->detector.labels ? TW_ERR_RANGE : TW_OK);
    return (uint32_t)label;
}

static mp_obj_t listener_score(mp_obj_t self, mp_obj_t label) {
    const tw_listener_t *l = listener_of(self);
    return MP_OBJ_NEW_SMALL_INT(l->score[label_of(l, label)]);
}
static MP_DEFINE_CONST_FUN_OBJ_2(listener_score_obj, listener_score);

static mp_obj_t listener_mean(mp_obj_t self, mp_obj_t label) {
    const tw_listener_t *l = listener_of(self);
    return MP_OBJ_NEW_SMALL_INT(tw_detector_mean(&l->detector, label_of(l, label)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(listener_mean_obj, listener_mean);

// The threshold that users turn is that of the first wake label.
static uint8_t *threshold_of(listener_obj_t *self) {
    tw_detector_t *d = &self->listener.detector;
    uint32_t label = 0;
    while (label + 1 < d->labels && !d->label[label].wake) {
        ++label;
    }
    return &d->label[label].threshold;
}

static void listener_attr(mp_obj_t obj, qstr attr, mp_obj_t *dest) {
    listener_obj_t *self = MP_OBJ_TO_PTR(obj);
    const tw_listener_t *l = &self->listener;
    if (dest[0] != MP_OBJ_NULL) {
        if (attr == MP_QSTR_threshold && dest[1] != MP_OBJ_NULL) {
            const mp_int_t value = mp_obj_get_int(dest[1]);
            check(value < 0 || value > 255 ? TW_ERR_RANGE : TW_OK);
            *threshold_of(self) = (uint8_t)value;
            dest[0] = MP_OBJ_NULL; // stored
        }
    } else if (attr == MP_QSTR_due) {
        dest[0] = SMALL(l->due);
    } else if (attr == MP_QSTR_awake) {
        dest[0] = mp_obj_new_bool(!l->asleep);
    } else if (attr == MP_QSTR_ready) {
        dest[0] = mp_obj_new_bool(l->ready);
    } else if (attr == MP_QSTR_t_ms) {
        dest[0] = SMALL(l->t_ms);
    } else if (attr == MP_QSTR_level) {
        dest[0] = SMALL(l->level_peak);
    } else if (attr == MP_QSTR_clipped) {
        dest[0] = SMALL(l->level_clipped);
    } else if (attr == MP_QSTR_step_samples) {
        dest[0] = SMALL(tw_listener_step_samples(l));
    } else if (attr == MP_QSTR_threshold) {
        dest[0] = SMALL(*threshold_of(self));
    } else if (attr == MP_QSTR_ram_bytes) {
        const size_t gate = l->gate ? sizeof *l->gate + l->gate->memory_bytes : 0;
        dest[0] = SMALL(sizeof *self + l->detector.memory_bytes + gate);
    } else {
        dest[1] = MP_OBJ_SENTINEL;
    }
}

// ---- Functions

static mp_obj_t crc16(mp_obj_t data, mp_obj_t start_in, mp_obj_t end_in) {
    const mp_buffer_info_t info = buffer(data, MP_BUFFER_READ);
    const mp_int_t start = mp_obj_get_int(start_in), end = mp_obj_get_int(end_in);
    check(start < 0 || start > end || (size_t)end > info.len ? TW_ERR_RANGE : TW_OK);
    return MP_OBJ_NEW_SMALL_INT(tw_crc_16(0xFFFF, (const uint8_t *)info.buf + start, (size_t)(end - start)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(crc16_obj, crc16);

// ---- The two builds

#ifdef MICROPY_ENABLE_DYNRUNTIME

static void set(mp_map_elem_t *slot, qstr name, const void *object) {
    slot->key = MP_OBJ_NEW_QSTR(name);
    slot->value = MP_OBJ_FROM_PTR(object);
}

static MP_DEFINE_CONST_DICT(model_locals_dict, tinywake_model_locals);
static MP_DEFINE_CONST_DICT(listener_locals_dict, tinywake_listener_locals);

KEEP mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY

    set(&tinywake_model_locals[0], MP_QSTR_verify, &model_verify_obj);
    set(&tinywake_model_locals[1], MP_QSTR_reset, &model_reset_obj);
    set(&tinywake_model_locals[2], MP_QSTR_load, &model_load_obj);
    set(&tinywake_model_locals[3], MP_QSTR_run, &model_run_obj);
    set(&tinywake_model_locals[4], MP_QSTR_store, &model_store_obj);
    tinywake_model_type.base.type = (void *)&mp_type_type;
    tinywake_model_type.name = MP_QSTR_Model;
    MP_OBJ_TYPE_SET_SLOT(&tinywake_model_type, make_new, model_make_new, 0);
    MP_OBJ_TYPE_SET_SLOT(&tinywake_model_type, attr, model_attr, 1);
    MP_OBJ_TYPE_SET_SLOT(&tinywake_model_type, buffer, model_buffer, 2);
    MP_OBJ_TYPE_SET_SLOT(&tinywake_model_type, locals_dict, (void *)&model_locals_dict, 3);

    set(&tinywake_listener_locals[0], MP_QSTR_reset, &listener_reset_obj);
    set(&tinywake_listener_locals[1], MP_QSTR_feed, &listener_feed_obj);
    set(&tinywake_listener_locals[2], MP_QSTR_settle, &listener_settle_obj);
    set(&tinywake_listener_locals[3], MP_QSTR_score, &listener_score_obj);
    set(&tinywake_listener_locals[4], MP_QSTR_mean, &listener_mean_obj);
    tinywake_listener_type.base.type = (void *)&mp_type_type;
    tinywake_listener_type.name = MP_QSTR_Listener;
    MP_OBJ_TYPE_SET_SLOT(&tinywake_listener_type, make_new, listener_make_new, 0);
    MP_OBJ_TYPE_SET_SLOT(&tinywake_listener_type, attr, listener_attr, 1);
    MP_OBJ_TYPE_SET_SLOT(&tinywake_listener_type, locals_dict, (void *)&listener_locals_dict, 2);

    mp_store_global(MP_QSTR_Model, MP_OBJ_FROM_PTR(&tinywake_model_type));
    mp_store_global(MP_QSTR_Listener, MP_OBJ_FROM_PTR(&tinywake_listener_type));
    mp_store_global(MP_QSTR_crc16, MP_OBJ_FROM_PTR(&crc16_obj));
    mp_store_global(MP_QSTR_VERSION, MP_OBJ_NEW_SMALL_INT(TW_SPEC_VERSION));

    MP_DYNRUNTIME_INIT_EXIT
}

#else

static const mp_rom_map_elem_t model_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_verify), MP_ROM_PTR(&model_verify_obj)},
    {MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&model_reset_obj)},
    {MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&model_load_obj)},
    {MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&model_run_obj)},
    {MP_ROM_QSTR(MP_QSTR_store), MP_ROM_PTR(&model_store_obj)},
};
static MP_DEFINE_CONST_DICT(model_locals_dict, model_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(tinywake_model_type, MP_QSTR_Model, MP_TYPE_FLAG_NONE, make_new, model_make_new, attr,
    model_attr, buffer, model_buffer, locals_dict, &model_locals_dict);

static const mp_rom_map_elem_t listener_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_reset), MP_ROM_PTR(&listener_reset_obj)},
    {MP_ROM_QSTR(MP_QSTR_feed), MP_ROM_PTR(&listener_feed_obj)},
    {MP_ROM_QSTR(MP_QSTR_settle), MP_ROM_PTR(&listener_settle_obj)},
    {MP_ROM_QSTR(MP_QSTR_score), MP_ROM_PTR(&listener_score_obj)},
    {MP_ROM_QSTR(MP_QSTR_mean), MP_ROM_PTR(&listener_mean_obj)},
};
static MP_DEFINE_CONST_DICT(listener_locals_dict, listener_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(tinywake_listener_type, MP_QSTR_Listener, MP_TYPE_FLAG_NONE, make_new, listener_make_new, attr,
    listener_attr, locals_dict, &listener_locals_dict);

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__tinywake)},
    {MP_ROM_QSTR(MP_QSTR_Model), MP_ROM_PTR(&tinywake_model_type)},
    {MP_ROM_QSTR(MP_QSTR_Listener), MP_ROM_PTR(&tinywake_listener_type)},
    {MP_ROM_QSTR(MP_QSTR_crc16), MP_ROM_PTR(&crc16_obj)},
    {MP_ROM_QSTR(MP_QSTR_VERSION), MP_ROM_INT(TW_SPEC_VERSION)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t tinywake_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR__tinywake, tinywake_module);

#endif
