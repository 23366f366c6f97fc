# What Makefile runs inside the build directory, around MicroPython's own rules for native modules.
HERE := $(patsubst %/,%,$(dir $(realpath $(lastword $(MAKEFILE_LIST)))))
MODULE_SOURCE ?= $(HERE)/modtinywake.c
include $(HERE)/../core/sources.mk

BUILD = .
MOD = _tinywake
SRC = $(notdir $(MODULE_SOURCE) $(TW_CORE_SOURCES)) natmod_libc.c
VPATH = $(dir $(MODULE_SOURCE)) $(TW_CORE_DIR) $(HERE)
# 64-bit helpers of libgcc; x64 needs none, and its libgcc is no static archive of position-independent code.
LINK_RUNTIME = $(if $(filter x64,$(ARCH)),0,1)
# Calls to memcpy that the compiler would put into our own memcpy; and an object is one section for mpy_ld to place.
CFLAGS_EXTRA += -I$(TW_CORE_DIR) -fno-tree-loop-distribute-patterns

include $(MPY_DIR)/py/dynruntime.mk

# dynruntime.mk knows no headers, and nothing of flags or of another MPY_DIR.
$(SRC_O): $(wildcard $(TW_CORE_DIR)/*.h) $(HERE)/natmod.mk settings
SETTINGS := $(subst ',,$(CROSS) $(MPY_DIR) $(CFLAGS))
settings: force
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@
.PHONY: force
