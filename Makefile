# tinywake: make demo and make test do all that they need, from a bare clone.
.DEFAULT_GOAL := help
PY := .venv/bin/python
ARCH ?= x64
SETUP_INPUTS := tools/setup.sh pyproject.toml CMakeLists.txt $(wildcard firmware/core/* host/native/*) \
    $(shell find host/tinywake -type d -not -name __pycache__)
# The unix board loads a native module where there is one for this machine; elsewhere it has the module compiled in.
NATIVE := $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m))
WARN := -std=c99 -O2 -Wall -Wextra -pedantic -Wmissing-prototypes -Wdouble-promotion -Wconversion -Werror
SCRIPTS := .ci/run $(wildcard tools/*.sh firmware/module/*.sh firmware/targets/*.sh firmware/targets/*/*.sh)
# What can be built for with the compilers that are here, asked when they have been installed where that is possible.
HAS_ARM = $(shell command -v arm-none-eabi-gcc)
HAS_RISCV = $(shell command -v riscv64-unknown-elf-gcc)
BUILD_TARGET = firmware/targets

.PHONY: help setup demo test test-targets bench soak fuzz lint format modules modules-all bundle unix targets targets-all clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/tinywake.stamp: $(SETUP_INPUTS)
	@tools/setup.sh
	@touch $@

.venv/cross.stamp: tools/setup.sh | .venv/tinywake.stamp
	@tools/setup.sh cross
	@touch $@

setup:  ## system packages and .venv, with .venv/bin/tinywake in it
	@tools/setup.sh

demo: .venv/tinywake.stamp modules unix  ## train a word, put it on the emulated board, play clips to it (CLIP=your.wav)
	@.venv/bin/tinywake demo $(if $(CLIP),--clip "$(CLIP)")

test: .venv/tinywake.stamp modules targets  ## every test that needs no board, a choice of them on each chip (ARGS="-k name")
	@$(PY) -m pytest $(ARGS)

test-targets: .venv/tinywake.stamp modules-all targets-all  ## all that has a target, on all of them (ARGS="-k rp2040")
	@$(PY) -m pytest --every-target $(ARGS)

fuzz: .venv/tinywake.stamp  ## hostile model files against the C core, under sanitizers (FUZZ_SECONDS=60)
	@$(MAKE) --no-print-directory -C tests/fuzz PYTHON=$(CURDIR)/$(PY) $(if $(FUZZ_SECONDS),FUZZ_SECONDS=$(FUZZ_SECONDS))

lint: .venv/tinywake.stamp  ## formatting, types, spelling, warnings in C and shell
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m mypy --config-file firmware/app/mypy.ini
	@.venv/bin/codespell
	@for f in firmware/core/*.c; do $${CC:-cc} $(WARN) -fsyntax-only $$f || exit 1; done
	@for f in $(SCRIPTS); do bash -n $$f || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck -x $(SCRIPTS); fi

format:  ## let ruff lay out the Python code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix-only --quiet .

modules: .venv/tinywake.stamp  ## the app's bytecode; native modules, CircuitPython's too (ARCH=x64, armv6m, armv7m, armv7emsp, rv32imc, xtensawin)
ifneq ($(filter-out x64,$(ARCH))$(NATIVE),)
	@$(MAKE) --no-print-directory -C firmware/module ARCH=$(ARCH) PYTHON=$(CURDIR)/$(PY)
endif
	@firmware/module/bytecode.sh

modules-all: .venv/cross.stamp  ## the native module for every architecture
	@$(MAKE) --no-print-directory -C firmware/module ARCH=all PYTHON=$(CURDIR)/$(PY)
	@firmware/module/bytecode.sh

bundle: modules-all  ## one zip with the library for all boards with CircuitPython: build/
	@$(PY) tools/bundle.py build

unix: .venv/tinywake.stamp
ifneq ($(NATIVE),)
	@$(BUILD_TARGET)/unix/build.sh board
endif
	@$(BUILD_TARGET)/unix/build.sh usermod

targets: unix .venv/cross.stamp  ## MicroPython for this computer: the unix board, with either ABI, and QEMU's with their modules
ifneq ($(NATIVE),)
	@$(BUILD_TARGET)/circuitpython/build.sh
endif
	@for arch in $(if $(HAS_ARM),armv6m) $(if $(HAS_RISCV),rv32imc); do $(MAKE) --no-print-directory modules ARCH=$$arch || exit 2; done
	@for board in $(if $(HAS_ARM),armv6m microbit) $(if $(HAS_RISCV),rv32imc); do \
	    $(BUILD_TARGET)/qemu/build.sh $$board || exit 2; done

targets-all: targets  ## and those that take longer to build: Armv7E-M and Xtensa in QEMU, a Pico in rp2040js
	@$(BUILD_TARGET)/qemu/build.sh armv7em
	@$(BUILD_TARGET)/xtensa/build.sh
	@for part in emulator firmware usermod image; do $(BUILD_TARGET)/rp2040/build.sh $$part || exit 2; done

bench: .venv/tinywake.stamp modules-all targets-all  ## docs/BENCHMARKS.md: what everything costs, counted again (ARGS="--target rp2040")
	@$(PY) tests/bench/benchmarks.py $(ARGS)

soak: .venv/tinywake.stamp modules unix  ## a board that hears for long, noise on its line, models swapped (HOURS=24 TARGET=unix)
	@$(PY) tests/bench/soak.py --hours $(or $(HOURS),24) --target $(or $(TARGET),unix) $(ARGS)

clean:  ## remove what was built here; the cache and .venv stay
	rm -rf build .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv too
	rm -rf .venv
