# tinywake: make demo and make test do all that they need, from a bare clone.
.DEFAULT_GOAL := help
PY := .venv/bin/python
ARCH ?= x64
SETUP_INPUTS := tools/setup.sh pyproject.toml CMakeLists.txt $(wildcard firmware/core/* host/native/*)
# The unix board loads a native module where there is one for this machine; elsewhere it has the module compiled in.
NATIVE := $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m))
WARN := -std=c99 -O2 -Wall -Wextra -pedantic -Wmissing-prototypes -Wdouble-promotion -Wconversion -Werror
SCRIPTS := .ci/run $(wildcard tools/*.sh firmware/targets/*.sh firmware/targets/*/*.sh)

.PHONY: help setup demo test fuzz lint format modules targets clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/tinywake.stamp: $(SETUP_INPUTS)
	@tools/setup.sh
	@touch $@

setup:  ## system packages and .venv, with .venv/bin/tinywake in it
	@tools/setup.sh

demo: .venv/tinywake.stamp modules targets  ## train a word, put it on the emulated board, play clips to it (CLIP=your.wav)
	@.venv/bin/tinywake demo $(if $(CLIP),--clip "$(CLIP)")

test: .venv/tinywake.stamp modules targets  ## every test that needs no board (ARGS="-k name")
	@$(PY) -m pytest $(ARGS)

fuzz: .venv/tinywake.stamp  ## hostile model files against the C core, under sanitizers (FUZZ_SECONDS=60)
	@$(MAKE) --no-print-directory -C tests/fuzz PYTHON=$(CURDIR)/$(PY) $(if $(FUZZ_SECONDS),FUZZ_SECONDS=$(FUZZ_SECONDS))

lint: .venv/tinywake.stamp  ## formatting, types, spelling, warnings in C and shell
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/codespell
	@for f in firmware/core/*.c; do $${CC:-cc} $(WARN) -fsyntax-only $$f || exit 1; done
	@for f in $(SCRIPTS); do bash -n $$f || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); fi

format:  ## let ruff lay out the Python code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix-only --quiet .

modules: .venv/tinywake.stamp  ## the native module (ARCH=x64, armv6m, armv7m, armv7emsp, rv32imc)
ifneq ($(filter-out x64,$(ARCH))$(NATIVE),)
	@$(MAKE) --no-print-directory -C firmware/module ARCH=$(ARCH) PYTHON=$(CURDIR)/$(PY)
endif

targets: .venv/tinywake.stamp  ## MicroPython for this computer: the emulated unix board
ifneq ($(NATIVE),)
	@firmware/targets/unix/build.sh board
endif
	@firmware/targets/unix/build.sh usermod

clean:  ## remove what was built here; the cache and .venv stay
	rm -rf build .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv too
	rm -rf .venv
