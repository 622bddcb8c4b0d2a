"""The fixtures of the kernel tests, which serve here too."""

from tests.kernel.daemon import daemon
from tests.kernel.vivid import vivid

__all__ = ["daemon", "vivid"]
