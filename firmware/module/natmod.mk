# What Makefile runs inside the build directory, around MicroPython's own rules for native modules.
HERE := $(patsubst %/,%,$(dir $(realpath $(lastword $(MAKEFILE_LIST)))))
MODULE_SOURCE ?= $(HERE)/modtinywake.c
include $(HERE)/../core/sources.mk

BUILD = .
MOD ?= _tinywake
ifeq ($(MOD),_tinywake_pdm) # for the boards that have such a microphone: native code costs RAM
MODULE_SOURCE := $(HERE)/modpdm.c
PARTS = $(TW_CORE_DIR)/pdm.c
else ifeq ($(MOD),_tinywake_i2s) # for those whose CircuitPython hears one
MODULE_SOURCE := $(HERE)/modi2s.c
PARTS = $(TW_CORE_DIR)/i2s.c
else ifeq ($(MOD),_tinywake_rec) # for those that record
MODULE_SOURCE := $(HERE)/modrec.c
PARTS = $(addprefix $(TW_CORE_DIR)/,adpcm.c pcmline.c crc.c)
else ifeq ($(MOD),_tinywake_huf) # for those with a coded model
MODULE_SOURCE := $(HERE)/modhuf.c
PARTS = $(TW_CORE_DIR)/coded.c
else
PARTS = $(filter-out %/pdm.c %/i2s.c %/adpcm.c %/pcmline.c %/coded.c,$(TW_CORE_SOURCES))
endif
PARTS += $(HERE)/natmod_objects.h $(MODULE_SOURCE) $(HERE)/natmod_libc.c
VPATH = $(HERE)
# mpy_ld goes through sets: without it libgcc's helpers come in another order each time.
export PYTHONHASHSEED := 0
# One compilation, so that the compiler knows every call: 1.6 kB less on armv6m.
SRC = all.c
# The last one is against calls to memcpy that the compiler would put into our own memcpy.
CFLAGS_EXTRA += -I$(TW_CORE_DIR) -fwhole-program -fno-tree-loop-distribute-patterns
ifeq ($(MOD),_tinywake_pdm)
CFLAGS_EXTRA += -O2 # 14 % fewer cycles than with -Os, and 112 bytes more on armv6m
endif

ifeq ($(ARCH),rv32imc)
CFLAGS_EXTRA += -march=rv32imc # dynruntime.mk allows atomic instructions too, which some chips lack
CFLAGS_EXTRA += -msave-restore -fno-ipa-sra -fno-jump-tables -fno-caller-saves # 1 kB less in all
endif
ifeq ($(ARCH),xtensawin)
PARTS += $(HERE)/natmod_xtensa.c
TOOLCHAIN := $(shell $(HERE)/../targets/xtensa/toolchain.sh)
ifeq ($(TOOLCHAIN),)
$(error no compiler for xtensawin: see above)
endif
override CROSS := $(word 1,$(TOOLCHAIN))
# Calls through literals, which mpy_ld can place; and an object is one .text, as it has one .literal.
CFLAGS_EXTRA += -mlongcalls -fno-reorder-functions -fno-reorder-blocks-and-partition
ifneq ($(word 2,$(TOOLCHAIN)),) # Debian's
export XTENSA_GNU_CONFIG := $(word 2,$(TOOLCHAIN))
CFLAGS_EXTRA += -mabi=windowed -isystem $(word 3,$(TOOLCHAIN))
endif
endif

ifeq ($(ARCH)/$(MOD),armv6m/_tinywake)
PARTS += $(HERE)/natmod_armv6m.c
CFLAGS_EXTRA += -fno-inline-functions-called-once -fno-tree-loop-optimize -fno-move-loop-invariants
CFLAGS_EXTRA += -fno-tree-sink -fno-tree-tail-merge -fno-tree-dominator-opts # 300 bytes less in all
endif
ifeq ($(ARCH)/$(MOD),armv7emsp/_tinywake)
CFLAGS_EXTRA += -fno-inline-functions-called-once # 200 bytes less
endif

ifeq ($(INTERPRETER),circuitpython)
CFLAGS += -Iabi # before MicroPython's own
endif
include $(MPY_DIR)/py/dynruntime.mk

all.c: settings
	@for part in $(PARTS); do echo "#include \"$$part\""; done > $@
# Where names that MicroPython must know are looked for.
$(CONFIG_H): $(MODULE_SOURCE)

ifeq ($(INTERPRETER),circuitpython)
MPY_LD = $(PYTHON) $(HERE)/circuitpython.py link $(MPY_DIR)
$(SRC_O): abi/py/nativeglue.h
abi/py/nativeglue.h: $(HERE)/circuitpython.py settings
	@mkdir -p $(@D)
	@$(PYTHON) $< header $(MPY_DIR) > $@.new
	@mv $@.new $@
else ifeq ($(ARCH),xtensawin)
MPY_LD = $(PYTHON) $(HERE)/link_xtensa.py $(MPY_DIR)
endif

# libgcc's helpers, where it is built for this very architecture. x64 needs none; xtensawin has its own. Not through
# LINK_RUNTIME: that would bring all of picolibc too, with a second memset.
ifneq ($(filter armv% rv32imc,$(ARCH)),)
MPY_LD_FLAGS += -l$(shell $(CROSS)gcc $(CFLAGS) -print-libgcc-file-name)
endif

# dynruntime.mk knows no headers, and nothing of flags or of another MPY_DIR.
$(SRC_O): $(PARTS) $(wildcard $(TW_CORE_DIR)/*.h) $(HERE)/natmod.mk settings
SETTINGS := $(subst ',,$(CROSS) $(MPY_DIR) $(CFLAGS) $(PARTS))
settings: force
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@
.PHONY: force

# Before they are linked: mpy_ld says little of what it cannot do.
$(MOD).native.mpy: | checked
checked: $(SRC_O) $(HERE)/check_objects.py $(HERE)/link_xtensa.py $(HERE)/circuitpython.py
	@$(PYTHON) $(HERE)/check_objects.py $(ARCH) $(SRC_O)
	@touch $@
