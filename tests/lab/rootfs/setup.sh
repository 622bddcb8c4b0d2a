#!/bin/sh
# Runs once in the new root while the image is built: the virtual environment and a quick boot.
# $1: the folder that holds the wheels, and the locks that name them.
set -eu

make_venv() {
    python3 -m venv --system-site-packages /opt/kvmd
    for lock in "$1"/*.txt; do
        /opt/kvmd/bin/pip install --quiet --no-index --find-links "$1" --no-deps --require-hashes --requirement "$lock"
    done
    mv /opt/stubs/* /opt/kvmd/lib/python3*/site-packages/
    # mmdebstrap sets the times of new files back, so that Python would not trust what pip has compiled, and every
    # start in the guest would compile all of it again
    /opt/kvmd/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/kvmd/lib
    rm -rf "$1" /opt/stubs
}

# With an initialised machine-id and fresh stamps systemd sees no first boot, and re-makes no databases.
write_identity() {
    echo 6b766d642d68616c2d6b65726e656c00 > /etc/machine-id
    echo kvmd-lab > /etc/hostname
    printf '127.0.0.1 localhost kvmd-lab\n::1 localhost\n' > /etc/hosts
    : > /etc/fstab
    touch /etc/.updated /var/.updated
}

# Every process costs a good tenth of a second under emulation, so only what a test may look at is started:
# journald, udevd, modules, tmpfiles, sysctl and configfs stay.
mask_needless_units() {
    systemctl --quiet mask \
        getty.target getty-static.service console-getty.service systemd-logind.service systemd-user-sessions.service \
        timers.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer systemd-tmpfiles-clean.timer \
        systemd-fsck-root.service systemd-remount-fs.service systemd-growfs-root.service systemd-pstore.service \
        systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-random-seed.service systemd-hibernate-clear.service \
        systemd-firstboot.service systemd-machine-id-commit.service systemd-hwdb-update.service ldconfig.service \
        systemd-journal-catalog-update.service systemd-journal-flush.service systemd-update-done.service \
        systemd-pcrmachine.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pcrextend.socket \
        systemd-pcrlock.socket systemd-tpm2-setup.service systemd-tpm2-setup-early.service systemd-battery-check.service \
        systemd-ask-password-console.path systemd-ask-password-wall.path systemd-hostnamed.socket systemd-initctl.socket \
        systemd-creds.socket systemd-sysext.socket systemd-udev-load-credentials.service \
        dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
        tmp.mount run-lock.mount
    mkdir -p /etc/systemd/system-generators
    for generator in /usr/lib/systemd/system-generators/*; do
        ln -s /dev/null "/etc/systemd/system-generators/${generator##*/}"
    done
}

make_venv "$1"
write_identity
mask_needless_units
mkdir -p /lab
systemctl --quiet enable kvmd-lab.service
