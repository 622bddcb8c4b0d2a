#!/bin/sh
# The guest's side of a run: installs kvmd as a vendor would, runs the selected tests, leaves logs in the share.
# Nobody looks at the exit code: the host judges by the reports it receives.
set -eu

export HOME=/root LANG=C.UTF-8 PATH=/opt/kvmd/bin:/usr/sbin:/usr/bin:/sbin:/bin
export KVMD_LAB=guest PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore
checkout=/lab/checkout

follow_journal() {
    journalctl --follow --no-tail --output=short-monotonic > /lab/logs/journal.log &
}

# the whole of it once more, since the follower may lag behind
complete_journal() {
    kill %1 2>/dev/null || true
    journalctl --output=short-monotonic > /lab/logs/journal.log
    sync
}

# the dependencies are in the image, so pip needs no index; a missing one is an error here
install_package() {
    wheel=$(ls /lab/*.whl)
    make -C "$checkout" install PACKAGE="$wheel"
}

follow_journal
trap complete_journal EXIT
install_package
udevadm settle
# a sign of life for the host's limit on silence
echo '{"kind": "installed"}' > /dev/virtio-ports/kvmd.lab
cd "$checkout"
export PYTHONDONTWRITEBYTECODE=1
python -m pytest -p tests.lab.guest.agent -p no:cacheprovider --override-ini=addopts= --continue-on-collection-errors \
    --junitxml=/lab/logs/junit.xml @/lab/arguments || true
