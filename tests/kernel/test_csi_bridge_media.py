"""The media controller of a real kernel: vivid's graph is small, but it is the kernel that writes it."""

import contextlib
import re
from pathlib import Path

import pytest

from kvmd_drivers.csi_bridge import media
from kvmd_drivers.csi_bridge import media_uapi as uapi
from kvmd_drivers.csi_bridge.media import Link, MediaDevice, Pad, Topology

from .vivid import Vivid
from .waiting import run

pytestmark = pytest.mark.usefixtures("units_masked")


@pytest.fixture
def graph(vivid: Vivid) -> Topology:
    """The graph of an HDMI input."""
    found = media.find(str(vivid.load(num_inputs=1, input_types=3)))
    assert found is not None
    return found


def test_the_graph_is_as_media_ctl_prints_it(vivid: Vivid, graph: Topology) -> None:
    printed = run("media-ctl", "--device", graph.path, "--print-topology")
    entities = re.findall(r"^- entity (\d+): (.*) \((\d+) pads?, (\d+) links?", printed, re.MULTILINE)
    assert [(str(each.id), each.name) for each in graph.entities] == [(number, name) for number, name, *_ in entities]
    assert re.findall(r"device node name (\S+)", printed) == [
        graph.nodes[each.id] for each in graph.entities if each.id in graph.nodes
    ]
    assert str(vivid.node) in graph.nodes.values()
    assert {each.function for each in graph.entities} == {uapi.MEDIA_ENT_F_IO_V4L}
    assert [len(graph.pads_of(each.id, sinks=True)) for each in graph.entities] == [
        int(pads) for *_, pads, _ in entities
    ]


def test_the_device_says_what_it_is(graph: Topology) -> None:
    with contextlib.closing(MediaDevice(graph.path)) as device:
        info = device.info()
    assert (info.driver, info.bus_info) == (b"vivid", b"platform:vivid-000")


def test_there_is_no_bridge_so_the_video_node_does_it_all(graph: Topology) -> None:
    assert media.bridge(graph) is None
    assert media.subdevice(graph) is None


def test_a_link_that_is_not_there(graph: Topology) -> None:
    """The kernel knows the ioctl, and has no such link."""
    pad = graph.pads[0]
    strange = Topology(graph.path, graph.entities, (pad, Pad(1, pad.entity, 7, False)), (), graph.nodes)
    with contextlib.closing(MediaDevice(graph.path)) as device, pytest.raises(OSError, match="Invalid argument"):
        device.set_link(strange, Link(1, pad.id, True, False))


def test_a_node_without_a_media_device(vivid: Vivid, graph: Topology) -> None:
    node = str(vivid.node)
    assert media.find("/dev/null") is None
    vivid.unbind()
    assert media.find(node) is None
    assert not Path(graph.path).exists()
