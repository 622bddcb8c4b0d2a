"""Which programs the lab needs on the host, and what to say when some are missing."""

import platform
import shutil

# program -> Debian package
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "genext2fs": "genext2fs",
    "git": "git",
}


def missing() -> str:
    """Why the lab cannot run on this machine, and the way out.

    :return: an empty string if it can
    """
    if platform.machine() != "x86_64":
        return f"kernel tests need an x86_64 machine, this is {platform.machine()}"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if not absent:
        return ""
    packages = " ".join(PROGRAMS[program] for program in absent)
    return f"kernel tests need {', '.join(absent)}: run make kernel-test, or apt-get install {packages}"
