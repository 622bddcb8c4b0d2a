"""EDIDs: what a receiver tells the source about itself, read, checked, mended, decoded, edited; and ours.

All but ``load`` are pure functions from bytes to bytes or values. An EDID is always whole here: all of its blocks in
one piece of bytes. Documented in VESA E-EDID Standard, Release A, Revision 2 ("E-EDID" below), and in CTA-861-G for the
extension block of HDMI; docs/edid.md says how to use it.
"""

from kvmd.edid.blocks import BLOCK, check, mend, read
from kvmd.edid.decoding import Audio, Edid, Mode, decode
from kvmd.edid.editing import edit
from kvmd.edid.reporting import Report, report
from kvmd.edid.shipped import REMEMBERED, load, profile, profiles

__all__ = [
    "BLOCK",
    "REMEMBERED",
    "Audio",
    "Edid",
    "Mode",
    "Report",
    "check",
    "decode",
    "edit",
    "load",
    "mend",
    "profile",
    "profiles",
    "read",
    "report",
]
