# make demo · test · lint · docs · bench · kernel-test · deb · image · image-test · lock · audit; each does its own set-up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

DEMO_PACKAGES := python3-venv libudev1 curl
LAB_PACKAGES := qemu-system-x86 mmdebstrap genext2fs e2fsprogs debian-archive-keyring uidmap git
TEST_PACKAGES := $(DEMO_PACKAGES) $(LAB_PACKAGES) gcc libc6-dev python3-dev edid-decode iproute2 faketime openssl \
	chromium firefox-esr webkit2gtk-driver xvfb \
	testssl.sh nginx-light caddy haproxy wget \
	tesseract-ocr tesseract-ocr-eng oathtool fakeroot fdisk dosfstools mtools
ifeq ($(shell dpkg --print-architecture 2>/dev/null),amd64)
TEST_PACKAGES += gcc-multilib
endif

# What `make install` installs, and where; PACKAGE may be a wheel. The units in etc/ name the same folder.
PREFIX := /opt/kvmd
PACKAGE ?= .

.PHONY: demo test kernel-test lint format bench docs layouts wheel deb image image-test lock audit install clean

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

# The Debian package of any architecture for which there are wheels: docs/install.md.
ARCHITECTURE ?= $(shell dpkg --print-architecture)
deb: $(BIN)/.release
	rm -f dist/*.whl
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python packaging/debian/build.py $(ARCHITECTURE) dist/*.whl dist

# An image of a disk for BOARD=pc, arm64 or rpi, with READ_ONLY=1 one whose root is only read: docs/image.md.
BOARD ?= pc
IMAGE ?= dist/kvmd-$(BOARD)$(if $(READ_ONLY),-read-only).img
IMAGE_PACKAGES := mmdebstrap debian-archive-keyring uidmap fakeroot fdisk e2fsprogs dosfstools mtools \
	$(if $(filter pc,$(BOARD)),syslinux syslinux-common)
image: ARCHITECTURE := $(if $(filter pc,$(BOARD)),amd64,arm64)
image: EMULATOR = $(if $(filter $(ARCHITECTURE),$(shell dpkg --print-architecture)),,arch-test qemu-user-static)
image: $(if $(DEB),,deb)
	@tools/need $(IMAGE_PACKAGES) $(EMULATOR)
	$(PYTHON) image/build.py $(BOARD) $(or $(DEB),$$(ls -t dist/kvmd-hal_*_$(ARCHITECTURE).deb | head -n 1)) $(IMAGE) \
		$(if $(READ_ONLY),--read-only)

# Boots a PC's image in QEMU.
image-test:
	@tools/need qemu-system-x86 ovmf openssh-client mtools
	@test -e $(IMAGE) || $(MAKE) image
	$(PYTHON) -m tests.image.trial $(IMAGE)

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
	tools/install-locked $(BIN)/pip locks/release.txt packaging pip-audit setuptools uv
	@touch $@

# Into /opt/kvmd and the system's folders, as root, whatever an earlier try has left there; the units start with the next
# boot or device, or by hand.
ENVIRONMENT := $(PYTHON) tools/environment.py $(PREFIX) locks/run.txt $(PACKAGE)
install:
	@! dpkg-query -W -f '$${Status}' kvmd-hal 2> /dev/null | grep -q ' installed' \
		|| { echo 'the package kvmd-hal is installed: upgrade that, or apt-get remove kvmd-hal first' >&2; exit 1; }
	@tools/need python3-venv
	install -D -m 644 -t /usr/lib/sysusers.d etc/sysusers.d/kvmd.conf
	install -D -m 644 -t /usr/lib/systemd/system etc/kvmd.service etc/kvmd.socket etc/kvmd-gadget.service \
		etc/kvmd-device@.target etc/kvmd-controller@.target
	install -D -m 644 -t /usr/lib/udev/rules.d etc/70-kvmd.rules etc/71-kvmd-gadget.rules etc/72-kvmd-uinput.rules \
		etc/73-kvmd-gpio.rules
	install -D -m 644 -t /usr/lib/tmpfiles.d etc/tmpfiles.d/kvmd.conf
	systemd-sysusers
	systemd-tmpfiles --create kvmd.conf
	test -e /etc/kvmd/kvmd.toml || install -D etc/kvmd.toml /etc/kvmd/kvmd.toml
	chgrp kvmd /etc/kvmd/kvmd.toml
	chmod 640 /etc/kvmd/kvmd.toml
	mkdir -p /etc/issue.d
	ln -sf /run/kvmd-console/issue /etc/issue.d/kvmd.issue
	$(ENVIRONMENT)
	ln -sf $(PREFIX)/bin/kvmd /usr/local/bin/kvmd
	systemctl daemon-reload
	! systemctl --quiet is-enabled kvmd 2> /dev/null || systemctl --quiet enable kvmd
	udevadm control --reload
	udevadm trigger --subsystem-match=video4linux --subsystem-match=udc --subsystem-match=hidg \
		--subsystem-match=tty --subsystem-match=hidraw --subsystem-match=gpio
	udevadm trigger --sysname-match=uinput

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
