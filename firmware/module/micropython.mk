# _tinywake as a user C module: make -C ports/<port> USER_C_MODULES=<this repository>/firmware
include $(USERMOD_DIR)/../core/sources.mk
SRC_USERMOD_LIB_C += $(TW_CORE_SOURCES)
SRC_USERMOD_C += $(USERMOD_DIR)/modtinywake.c $(USERMOD_DIR)/modpdm.c $(USERMOD_DIR)/modrec.c $(USERMOD_DIR)/modhuf.c
CFLAGS_USERMOD += -I$(TW_CORE_DIR)
