#!/bin/sh
# Runs once in the new root while the image is built: makes gpio-sim, the kernel's simulator of GPIO chips, which Debian's
# kernel leaves out, from Debian's own source of that kernel, and takes away what was needed for it.
set -eu

# irq_sim, on which it builds, is no module of its own but part of a kernel that has it; so it goes into this one. It uses
# a function that a kernel keeps to itself, and which these two exported ones replace.
unpack() {
    tar -xJf /usr/src/linux-source-*.tar.xz --strip-components=1 --wildcards --occurrence=1 \
        '*/drivers/gpio/gpio-sim.c' '*/kernel/irq/irq_sim.c'
    mv drivers/gpio/gpio-sim.c chip.c
    sed 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' kernel/irq/irq_sim.c > irq.c
    printf 'obj-m := gpio-sim.o\ngpio-sim-y := chip.o irq.o\n' > Kbuild
}

# $1: the version of the kernel
install_module() {
    make -s -C "/lib/modules/$1/build" M="$PWD" modules
    strip --strip-debug gpio-sim.ko
    mkdir "/lib/modules/$1/extra"
    mv gpio-sim.ko "/lib/modules/$1/extra/"
    depmod "$1"
}

trap 'rm -f "$0"' EXIT
work=$(mktemp -d)
cd "$work"
unpack
install_module "$(basename /lib/modules/*)"
cd /
rm -rf "$work"
# also what something that stays merely suggests
apt-get --quiet --quiet --yes --option=APT::AutoRemove::RecommendsImportant=false \
    --option=APT::AutoRemove::SuggestsImportant=false --auto-remove purge '^linux-(headers|kbuild|source)' > /dev/null
