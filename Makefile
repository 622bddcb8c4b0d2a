# make demo · make test · make lint · make bench · make kernel-test; each does its own set-up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

DEMO_PACKAGES := python3-venv libudev1 curl
LAB_PACKAGES := qemu-system-x86 mmdebstrap genext2fs debian-archive-keyring uidmap git
TEST_PACKAGES := $(DEMO_PACKAGES) $(LAB_PACKAGES) gcc libc6-dev python3-dev edid-decode faketime iproute2 chromium
ifeq ($(shell dpkg --print-architecture 2>/dev/null),amd64)
TEST_PACKAGES += gcc-multilib
endif

# What `make install` installs, and where; PACKAGE may be a wheel. The units in etc/ name the same folder.
PREFIX := /opt/kvmd
PACKAGE ?= .

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
	$(BIN)/mypy kvmd drivers plugins bench tests
	$(BIN)/lint-imports

format: $(BIN)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BIN)/.test
	@tools/need ffmpeg
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
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

$(BIN)/.lint: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[lint]'
	@touch $@

# Into /opt/kvmd and the system's folders, as root; without gpiod where PyPI has no wheel of it (armhf) and no compiler is
# there; the units start with the next boot or device, or by hand. Debian's
# python3-evdev and python3-picamera2 are seen from there; its python3-simplejpeg, too, which may be made for an older
# numpy than the one that pip brings.
install:
	test -x $(PREFIX)/bin/python || $(PYTHON) -m venv --system-site-packages $(PREFIX)
	$(PREFIX)/bin/pip install --quiet '$(PACKAGE)[gpio]' || $(PREFIX)/bin/pip install --quiet $(PACKAGE)
	$(PREFIX)/bin/python -c 'import simplejpeg' 2> /dev/null || \
		$(PREFIX)/bin/pip install --quiet --ignore-installed --no-deps simplejpeg
	ln -sf $(PREFIX)/bin/kvmd /usr/local/bin/kvmd
	test -e /etc/kvmd/kvmd.toml || install -D -m 644 etc/kvmd.toml /etc/kvmd/kvmd.toml
	install -D -m 644 -t /usr/lib/sysusers.d etc/sysusers.d/kvmd.conf
	install -D -m 644 -t /usr/lib/systemd/system etc/kvmd.service etc/kvmd-gadget.service
	install -D -m 644 -t /usr/lib/udev/rules.d etc/70-kvmd.rules etc/71-kvmd-gadget.rules etc/72-kvmd-uinput.rules \
		etc/73-kvmd-gpio.rules
	systemd-sysusers
	systemctl daemon-reload
	udevadm control --reload
	udevadm trigger --subsystem-match=video4linux --subsystem-match=udc --subsystem-match=hidg \
		--subsystem-match=tty --subsystem-match=hidraw --subsystem-match=gpio
	udevadm trigger --sysname-match=uinput

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
