"""The kernel lab: a QEMU guest with a real kernel and systemd, in which the tests of tests/kernel/ run."""
