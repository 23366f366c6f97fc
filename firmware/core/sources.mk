# The one list of the core's sources for make. sources.cmake is the one for CMake.
TW_CORE_DIR := $(patsubst %/,%,$(dir $(realpath $(lastword $(MAKEFILE_LIST)))))
TW_CORE_SOURCES := $(sort $(wildcard $(TW_CORE_DIR)/*.c))
