"""``python -m tests.lab.usb FOLDER``: the ports of a guest, until the standard input ends.

Says ``ready`` once QEMU may connect; a mistake of ours is on the standard error, and makes the exit code 1.
"""

import contextlib
import os
import sys
from pathlib import Path

from .service import Service

# what answers in time is asked for before what is only busy; who may not have that goes on without
HURRY = -10


def main() -> None:
    """Serve."""
    with contextlib.suppress(PermissionError):
        os.nice(HURRY)
    service = Service(Path(sys.argv[1]), give_up)
    service.start()
    print("ready", flush=True)
    sys.stdin.read()
    service.stop()


def give_up(reason: str) -> None:
    """End from the thread, with what it raised."""
    sys.stderr.write(reason)
    sys.stderr.flush()
    os._exit(1)


main()
