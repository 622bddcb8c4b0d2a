"""vivid, the kernel's virtual capture card: it can be plugged, pulled, and made to lose its signal.

https://docs.kernel.org/admin-guide/media/vivid.html
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .waiting import eventually, run, settle

DRIVER = Path("/sys/bus/platform/drivers/vivid")
CARD = "vivid.0"
CAPTURE_NODE = 0x1


class Vivid:
    """The card; nothing is loaded before :meth:`load`."""

    def load(self, **parameters: int | str) -> Path:
        """Load the module: one card with a single capture node, unless the parameters say otherwise.

        :return: the capture node
        """
        self.unload()
        chosen = {"n_devs": 1, "node_types": CAPTURE_NODE, **parameters}
        run("modprobe", "vivid", *(f"{name}={value}" for name, value in chosen.items()))
        settle()
        return self.node

    def unload(self) -> None:
        """Pull the card and remove the module; whoever has a node open keeps it for a moment, so this waits."""
        if DRIVER.exists():
            if (DRIVER / CARD).exists():
                self.unbind()
            eventually(self._removed, "vivid to be unused")

    def unbind(self) -> None:
        """Pull the card out: its nodes vanish, open ones answer ENODEV."""
        (DRIVER / "unbind").write_text(CARD)
        settle()

    def bind(self) -> Path:
        """Plug the card in again.

        :return: the capture node, which may have another number than before
        """
        (DRIVER / "bind").write_text(CARD)
        settle()
        return self.node

    @property
    def node(self) -> Path:
        """The node that captures video."""
        for entry in sorted((DRIVER / CARD / "video4linux").iterdir()):
            if (entry / "name").read_text().strip().endswith("vid-cap"):
                return Path("/dev") / entry.name
        raise LookupError(f"{CARD} has no capture node")

    def control(self, name: str, value: int | str) -> None:
        """Set a control, for instance ``dv_timings_signal_mode`` to 1, "no signal"."""
        run("v4l2-ctl", f"--device={self.node}", f"--set-ctrl={name}={value}")

    def _removed(self) -> bool:
        try:
            run("modprobe", "--remove", "vivid")
        except RuntimeError:
            return False
        return True


@pytest.fixture
def vivid() -> Iterator[Vivid]:
    """A capture card to load, unbind and bind; unloaded in the end."""
    card = Vivid()
    yield card
    card.unload()
