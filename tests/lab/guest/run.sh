#!/bin/sh
# The guest's side of a run: installs kvmd as a vendor would, and runs the tests that the host asks for.
# Nobody looks at the exit code: the host judges by the reports it receives, and ends the guest.
set -eu

export HOME=/root LANG=C.UTF-8 PATH=/opt/kvmd/bin:/usr/sbin:/usr/bin:/sbin:/bin
export KVMD_LAB=guest PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore
checkout=/lab/checkout

# the environment with the dependencies is in the image, so that only the package is installed into it, and pip needs no
# index; a missing one is an error here
install_package() {
    wheel=$(ls /lab/*.whl)
    make -C "$checkout" install ENVIRONMENT="tools/install-locked /opt/kvmd/bin/pip locks/run.txt $wheel"
    # from now on plugging something in starts them
    systemctl --quiet enable kvmd.service
}

# systemd's patience is made for machines that are not emulated, and busy with other things besides
be_patient() {
    mkdir -p /run/systemd/system/service.d /run/systemd/system/kvmd.service.d
    printf '[Service]\nTimeoutStartSec=600\nTimeoutStopSec=600\n' > /run/systemd/system/service.d/kvmd-lab.conf
    # with a name of its own: a drop-in hides those of the same name that are for all services
    printf '[Service]\nWatchdogSec=600\nTimeoutStartSec=600\nTimeoutStopSec=600\n' \
        > /run/systemd/system/kvmd.service.d/kvmd-lab-patience.conf
}

# for a test, before others leave some
note_failed_units() {
    mkdir -p /run/kvmd-lab
    systemctl list-units --failed --no-legend --plain > /run/kvmd-lab/failed-units
}

udevadm wait /dev/virtio-ports/kvmd.journal
journalctl --follow --no-tail --output=short-monotonic > /dev/virtio-ports/kvmd.journal &
be_patient
install_package
udevadm settle
note_failed_units
cd "$checkout"
export PYTHONDONTWRITEBYTECODE=1
python -m pytest -p tests.lab.guest.agent -p no:cacheprovider --override-ini=addopts= --continue-on-collection-errors \
    @/lab/arguments
