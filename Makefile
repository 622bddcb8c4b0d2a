# make demo · make test · make lint · make bench · make kernel-test; each does its own set-up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

DEMO_PACKAGES := python3-venv libudev1
LAB_PACKAGES := qemu-system-x86 mmdebstrap genext2fs busybox-static e2fsprogs kmod
TEST_PACKAGES := $(DEMO_PACKAGES) $(LAB_PACKAGES) gcc libc6-dev chromium curl
ifeq ($(shell dpkg --print-architecture 2>/dev/null),amd64)
TEST_PACKAGES += gcc-multilib
endif

# Where `make install` puts things; PACKAGE may be a wheel.
DESTDIR ?=
PREFIX ?= /opt/kvmd
PACKAGE ?= .
PIP_FLAGS ?=

.PHONY: demo test kernel-test lint format bench docs wheel install clean

demo: $(BIN)/.demo
	$(BIN)/kvmd demo

test: $(BIN)/.test
	$(BIN)/python -m pytest

kernel-test: $(BIN)/.test
	$(BIN)/python -m pytest tests/kernel

lint: $(BIN)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy kvmd drivers plugins
	$(BIN)/lint-imports

format: $(BIN)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.test
	$(BIN)/python -m bench

docs: $(BIN)/.demo
	$(BIN)/python -m docs.generate

wheel: $(BIN)/.demo
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

$(BIN)/python:
	@tools/need $(DEMO_PACKAGES)
	$(PYTHON) -m venv $(VENV)

$(BIN)/.demo: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(BIN)/.test: setup.cfg pyproject.toml Makefile | $(BIN)/python
	@tools/need $(TEST_PACKAGES)
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@

$(BIN)/.lint: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[lint]'
	@touch $@

install:
	test -x $(DESTDIR)$(PREFIX)/bin/python || $(PYTHON) -m venv $(DESTDIR)$(PREFIX)
	$(DESTDIR)$(PREFIX)/bin/pip install --quiet $(PIP_FLAGS) $(PACKAGE)
	ln -sf $(PREFIX)/bin/kvmd $(DESTDIR)/usr/local/bin/kvmd

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
