# make demo · make test · make lint · make docs · make bench · make kernel-test · make lock · make audit; each does its own set-up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

DEMO_PACKAGES := python3-venv libudev1 curl
LAB_PACKAGES := qemu-system-x86 mmdebstrap genext2fs e2fsprogs debian-archive-keyring uidmap git
TEST_PACKAGES := $(DEMO_PACKAGES) $(LAB_PACKAGES) gcc libc6-dev python3-dev edid-decode iproute2 faketime openssl \
	chromium firefox-esr webkit2gtk-driver xvfb \
	testssl.sh nginx-light caddy haproxy wget \
	tesseract-ocr tesseract-ocr-eng oathtool
ifeq ($(shell dpkg --print-architecture 2>/dev/null),amd64)
TEST_PACKAGES += gcc-multilib
endif

# What `make install` installs, and where; PACKAGE may be a wheel. The units in etc/ name the same folder.
PREFIX := /opt/kvmd
PACKAGE ?= .

.PHONY: demo test kernel-test lint format bench docs layouts wheel lock audit install clean

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

# The pages that are made from the code, and the site in build/site; a link that leads nowhere fails.
docs: $(BIN)/.docs
	$(BIN)/python -m docs.generate
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -d build/doctrees docs build/site
	@echo "the site is build/site/index.html"

# The tables of text, from this machine's layouts, or those that XKB_CONFIG_ROOT and XLOCALEDIR name: docs/text.md.
layouts: $(BIN)/.test
	@tools/need libxkbcommon0 xkb-data libx11-data
	$(BIN)/python -m tests.layouts

wheel: $(BIN)/.demo
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# The newest versions of all dependencies, with their hashes; after a change of those in setup.cfg, too.
lock: $(BIN)/.release
	tools/lock $(BIN)/uv

audit: $(BIN)/.release
	tools/audit $(BIN)/pip-audit $(wildcard locks/*.txt)

$(BIN)/python:
	@tools/need $(DEMO_PACKAGES)
	$(PYTHON) -m venv $(VENV)

$(BIN)/.demo: setup.cfg pyproject.toml locks/run.txt | $(BIN)/python
	tools/install-locked $(BIN)/pip locks/run.txt --editable .
	@touch $@

$(BIN)/.test: setup.cfg pyproject.toml locks/dev.txt Makefile | $(BIN)/python
	@tools/need $(TEST_PACKAGES)
	tools/install-locked $(BIN)/pip locks/dev.txt --editable '.[dev]'
	@touch $@

$(BIN)/.docs: setup.cfg pyproject.toml locks/dev.txt | $(BIN)/python
	tools/install-locked $(BIN)/pip locks/dev.txt --editable '.[docs,test]'
	@touch $@

$(BIN)/.lint: setup.cfg pyproject.toml locks/dev.txt | $(BIN)/python
	tools/install-locked $(BIN)/pip locks/dev.txt --editable '.[lint]'
	@touch $@

$(BIN)/.release: locks/release.txt | $(BIN)/python
	tools/install-locked $(BIN)/pip locks/release.txt pip-audit uv
	@touch $@

# Into /opt/kvmd and the system's folders, as root; without gpiod where PyPI has no wheel of it (armhf) and no compiler is
# there; the units start with the next boot or device, or by hand. Debian's
# python3-evdev and python3-picamera2 are seen from there; its python3-simplejpeg, too, which may be made for an older
# numpy than the one that pip brings.
INSTALL := tools/install-locked $(PREFIX)/bin/pip locks/run.txt
install:
	test -x $(PREFIX)/bin/pip || $(PYTHON) -m venv --system-site-packages $(PREFIX)
	$(INSTALL) '$(PACKAGE)[gpio]' || $(INSTALL) $(PACKAGE)
	$(PREFIX)/bin/python -c 'import simplejpeg' 2> /dev/null || PIP_IGNORE_INSTALLED=1 $(INSTALL) $(PACKAGE)
	ln -sf $(PREFIX)/bin/kvmd /usr/local/bin/kvmd
	install -D -m 644 -t /usr/lib/sysusers.d etc/sysusers.d/kvmd.conf
	install -D -m 644 -t /usr/lib/systemd/system etc/kvmd.service etc/kvmd.socket etc/kvmd-gadget.service \
		etc/kvmd-device@.target etc/kvmd-controller@.target
	install -D -m 644 -t /usr/lib/udev/rules.d etc/70-kvmd.rules etc/71-kvmd-gadget.rules etc/72-kvmd-uinput.rules \
		etc/73-kvmd-gpio.rules
	systemd-sysusers
	test -e /etc/kvmd/kvmd.toml || install -D etc/kvmd.toml /etc/kvmd/kvmd.toml
	chgrp kvmd /etc/kvmd/kvmd.toml
	chmod 640 /etc/kvmd/kvmd.toml
	systemctl daemon-reload
	! systemctl --quiet is-enabled kvmd 2> /dev/null || systemctl --quiet enable kvmd
	udevadm control --reload
	udevadm trigger --subsystem-match=video4linux --subsystem-match=udc --subsystem-match=hidg \
		--subsystem-match=tty --subsystem-match=hidraw --subsystem-match=gpio
	udevadm trigger --sysname-match=uinput

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
