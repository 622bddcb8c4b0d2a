"""Broken drivers, one for every rule of the contract, and what the conformance suite says of each.

docs/testing.md has a table of them.
"""

from tests.kvmd.testing.faults import capture, declarations, hid, power
from tests.kvmd.testing.faults.fault import Fault

FAULTS: dict[str, list[Fault]] = {
    "Any driver": declarations.FAULTS,
    "Capture drivers": capture.FAULTS,
    "HID drivers": hid.FAULTS,
    "Power drivers": power.FAULTS,
}
"""By those whom they can befall."""
