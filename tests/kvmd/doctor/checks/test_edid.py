"""The EDID that the source sees."""

from kvmd import edid as edids
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import edid
from tests.kvmd.doctor.conftest import Tree


def test_none_a_damaged_one_and_a_good_one(tree: Tree) -> None:
    good = edids.profile("1080p60")
    assert tree.kinds(edid) == []
    assert tree.kinds(edid, daemon=Daemon(edid=good)) == []
    assert tree.kinds(edid, daemon=Daemon(edid=b"")) == ["no-edid"]
    [found] = tree.look(edid, daemon=Daemon(edid=good[:-1] + bytes([good[-1] ^ 1])))
    assert (found.kind, "damaged: " in found.what) == ("bad-edid", True)
