// SPDX-License-Identifier: MIT
// Describes a little-endian Xtensa with register windows to binutils' assembler: toolchain.sh builds it as the plug-in that
// XTENSA_GNU_CONFIG names, against binutils' own headers, whose processor is a big-endian one.
#include "xtensa-config.h"

#undef XCHAL_HAVE_BE
#define XCHAL_HAVE_BE 0
#undef XCHAL_NUM_AREGS
#define XCHAL_NUM_AREGS 64

#define XTENSA_CONFIG_DEFINITION
#include "xtensa-dynconfig.h"

XTENSA_CONFIG_INSTANCE_LIST;

const char *const xtensa_config_strings[] = { 0 }; // nothing to write into the objects' .xtensa.info

int plugin_is_GPL_compatible; // what binutils asks of a plug-in; the MIT licence is
