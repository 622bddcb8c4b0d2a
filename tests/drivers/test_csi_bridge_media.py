"""The media graph of a bridge: the way to the video node is found on recorded graphs, and set as the kernel wants it.

There is no such hardware here: the graph is tests/data/rp1-cfe-tc358743.toml, and the kernel's ioctls are answered from
it. tests/kernel/test_csi_bridge_media.py reads a real kernel's graph.
"""

import contextlib
import ctypes
import errno
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvmd import DriverError
from kvmd_drivers.csi_bridge import media
from kvmd_drivers.csi_bridge import media_uapi as uapi
from kvmd_drivers.csi_bridge.media import Entity, Link, Pad, Topology
from kvmd_drivers.v4l2 import node
from kvmd_drivers.v4l2.node import Size
from tests.shadow import shadow

RECORDED = (Path(__file__).parents[1] / "data/rp1-cfe-tc358743.toml").read_text()
FULL_HD = Size(1920, 1080)
BRIDGE, VIDEO, SENSOR = uapi.MEDIA_ENT_F_VID_IF_BRIDGE, uapi.MEDIA_ENT_F_IO_V4L, 0x00020001


def topology(text: str = RECORDED) -> Topology:
    """Make a topology from a recording; pads have ids of their own, as in the kernel."""
    raw = tomllib.loads(text)
    pads: dict[str, Pad] = {}
    for name, entity in raw["entities"].items():
        sinks = entity.get("sinks", 0)
        for index in range(sinks + entity.get("sources", 0)):
            pads[f"{name}:{index}"] = Pad(0x01000000 + len(pads), entity["id"], index, index < sinks)
    links = []
    for line in raw["links"]:
        source, _, rest = line.partition(" -> ")
        sink, _, flags = rest.partition(":0") if rest.partition(":0")[1] else rest.partition(":1")
        index = rest[len(sink) + 1]
        links.append(Link(pads[source].id, pads[f"{sink}:{index}"].id, "enabled" in flags, "immutable" in flags))
    return Topology(
        path=raw["path"],
        entities=tuple(Entity(each["id"], name, each["function"]) for name, each in raw["entities"].items()),
        pads=tuple(pads.values()),
        links=tuple(links),
        nodes={each["id"]: each["node"] for each in raw["entities"].values() if "node" in each},
    )


def graph(entities: str, *links: str) -> Topology:
    """Make a small topology: ``name function sinks sources node`` a line."""
    lines = [line.split() for line in entities.strip().splitlines()]
    return topology(
        'path = "/dev/media3"\n'
        + f"links = {list(links)}\n"
        + "\n".join(
            f'[entities."{name}"]\nid = {number}\nfunction = {function}\nsinks = {sinks}\nsources = {sources}\n'
            + "".join(f'node = "{path}"\n' for path in rest)
            for number, (name, function, sinks, sources, *rest) in enumerate(lines, 1)
        )
    )


def pad_name(seen: Topology, identifier: int) -> str:
    pad = seen.pad(identifier)
    return f"{seen.entity(pad.entity).name}:{pad.index}"


def links_of(planned: media.Plan) -> list[str]:
    seen = planned.topology
    return [
        f"{pad_name(seen, link.source)} -> {pad_name(seen, link.sink)} {'on' if link.enabled else 'off'}"
        for link in planned.links
    ]


def pads_of(planned: media.Plan) -> list[str]:
    return [pad_name(planned.topology, pad.id) for pad in planned.pads]


class TestPlanning:
    def test_raspberry_pi_5(self) -> None:
        planned = media.plan(topology(), FULL_HD)
        assert planned.video == "/dev/video0"
        assert links_of(planned) == ["csi2:4 -> pisp-fe:0 off", "csi2:4 -> rp1-cfe-csi2_ch0:0 on"]
        assert pads_of(planned) == ["tc358743 10-000f:0", "csi2:0", "csi2:4"]
        assert media.subdevice(planned.topology) == "/dev/v4l-subdev2"

    @pytest.mark.parametrize("name", ["tc358743 4-000f", "tc358743 11-000f", "lt6911uxc 6-002b"])
    def test_whatever_the_bus_and_the_bridge(self, name: str) -> None:
        seen = topology(RECORDED.replace("tc358743 10-000f", name))
        bridge = media.bridge(seen)
        assert bridge is not None
        assert bridge.name == name
        assert pads_of(media.plan(seen, FULL_HD))[0] == f"{name}:0"

    def test_nothing_is_left_to_do(self) -> None:
        text = RECORDED.replace("pisp-fe:0 enabled", "pisp-fe:0").replace("csi2_ch0:0", "csi2_ch0:0 enabled")
        planned = media.plan(topology(text), FULL_HD)
        assert planned.links == ()
        assert planned.video == "/dev/video0"

    def test_a_receiver_with_one_sink(self) -> None:
        """As in the driver that is in the mainline kernel since 6.14."""
        seen = graph(
            f"""
            csi2 {BRIDGE} 1 4 /dev/v4l-subdev0
            tc358743 {BRIDGE} 0 1 /dev/v4l-subdev1
            ch0 {VIDEO} 1 0 /dev/video0
            ch1 {VIDEO} 1 0 /dev/video1
            """,
            "tc358743:0 -> csi2:0 enabled immutable",
            "csi2:1 -> ch0:0",
            "csi2:2 -> ch1:0",
        )
        planned = media.plan(seen, FULL_HD)
        assert (planned.video, links_of(planned)) == ("/dev/video0", ["csi2:1 -> ch0:0 on"])

    def test_a_longer_way(self) -> None:
        """As on Rockchip, where the bridge says that it is a sensor."""
        seen = graph(
            f"""
            rk628-csi {SENSOR} 0 1 /dev/v4l-subdev2
            dphy {BRIDGE} 1 1 /dev/v4l-subdev1
            receiver {BRIDGE} 1 2 /dev/v4l-subdev0
            stream0 {VIDEO} 1 0 /dev/video8
            stream1 {VIDEO} 1 0 /dev/video9
            """,
            "rk628-csi:0 -> dphy:0 enabled immutable",
            "dphy:1 -> receiver:0 enabled",
            "receiver:1 -> stream0:0 enabled",
            "receiver:2 -> stream1:0 enabled",
        )
        planned = media.plan(seen, FULL_HD)
        assert planned.video == "/dev/video8"
        assert links_of(planned) == ["receiver:2 -> stream1:0 off"]
        assert pads_of(planned) == ["rk628-csi:0", "dphy:0", "dphy:1", "receiver:0", "receiver:1"]

    def test_a_video_node_that_does_it_all(self) -> None:
        """As with unicam: the bridge is there, but has no node of its own."""
        seen = graph(
            f"tc358743 {BRIDGE} 0 1\nunicam-image {VIDEO} 1 0 /dev/video0",
            "tc358743:0 -> unicam-image:0 enabled immutable",
        )
        bridge = media.bridge(seen)
        assert bridge is not None
        assert bridge.name == "tc358743"
        assert media.subdevice(seen) is None

    def test_a_camera(self) -> None:
        seen = topology(RECORDED.replace("tc358743 10-000f", "imx477 10-001a").replace("0x5002\n", f"{SENSOR}\n"))
        assert media.bridge(seen) is None
        assert media.subdevice(seen) is None
        with pytest.raises(DriverError) as raised:
            media.plan(seen, FULL_HD)
        assert str(raised.value).startswith("/dev/media0: no HDMI bridge is among its parts: csi2, pisp-fe, imx477")

    @pytest.mark.parametrize("gone", ['    "csi2:4 -> rp1-cfe-csi2_ch0:0",\n    "csi2:4 -> pisp-fe:0 enabled",\n'])
    def test_no_way(self, gone: str) -> None:
        assert gone in RECORDED
        with pytest.raises(DriverError, match=r"^/dev/media0: no links lead from tc358743 10-000f to a video node$"):
            media.plan(topology(RECORDED.replace(gone, "")), FULL_HD)

    def test_a_circle_has_an_end(self) -> None:
        seen = graph(
            f"bridge {BRIDGE} 0 1 /dev/v4l-subdev0\nscaler {BRIDGE} 1 1 /dev/v4l-subdev1",
            "bridge:0 -> scaler:0",
            "scaler:1 -> scaler:0",
        )
        with pytest.raises(DriverError, match="no links lead from bridge"):
            media.plan(seen, FULL_HD)


class Kernel:
    """Answers the ioctls of a media device and its sub-devices as Linux does, and keeps what was set.

    :param size: of the picture that the bridge receives, whatever is asked of it
    :param colorspace: of that picture
    :param grows: how often the graph is larger than it was just told
    """

    def __init__(self, seen: Topology, size: Size = FULL_HD, colorspace: int = 1, grows: int = 0) -> None:
        self.seen = seen
        self.links = {(link.source, link.sink): link for link in seen.links}
        self.formats: dict[str, uapi.MbusFramefmt] = {}
        self._size = size
        self._colorspace = colorspace
        self._grows = grows
        self._paths: dict[int, str] = {}

    def open(self, path: str, _flags: int) -> int:
        fd = os.memfd_create("node")  # a descriptor that can be closed
        self._paths[fd] = path
        return fd

    def ioctl(self, fd: int, request: int, raw: Any) -> None:
        path = self._paths[fd]
        if path == self.seen.path and request == uapi.MEDIA_IOC_G_TOPOLOGY:
            self._topology(raw)
        elif path == self.seen.path and request == uapi.MEDIA_IOC_SETUP_LINK:
            self._set_link(raw)
        elif path in self.seen.nodes.values() and request == uapi.VIDIOC_SUBDEV_S_FMT:
            self._set_format(path, raw)
        else:
            raise OSError(errno.ENOTTY, path)

    def can_stream(self, planned: media.Plan) -> bool:
        """What STREAMON checks: an enabled way to the video node, no other, and one format on all of it."""
        enabled = sorted(pad_name(self.seen, link.sink) for link in self.links.values() if link.enabled)
        ends = {tuple(getattr(each, name) for name, _ in each._fields_[:5]) for each in self.formats.values()}
        return (
            enabled == ["csi2:0", "rp1-cfe-csi2_ch0:0"]
            and set(self.formats) == set(pads_of(planned))
            and len(ends) == 1
        )

    def _topology(self, raw: uapi.V2Topology) -> None:
        numbers = {path: number for number, path in enumerate(self.seen.nodes.values())}
        interfaces = [
            uapi.V2Interface(
                id=0x03000000 + entity,
                intf_type=uapi.MEDIA_INTF_T_V4L_SUBDEV if "subdev" in path else uapi.MEDIA_INTF_T_V4L_VIDEO,
                devnode=uapi.V2IntfDevnode(1, numbers[path]),
            )
            for entity, path in self.seen.nodes.items()
        ]
        parts: dict[str, list[Any]] = {
            "entities": [uapi.V2Entity(id=e.id, name=e.name.encode(), function=e.function) for e in self.seen.entities],
            "interfaces": interfaces,
            "pads": [
                uapi.V2Pad(
                    pad.id, pad.entity, uapi.MEDIA_PAD_FL_SINK if pad.is_sink else uapi.MEDIA_PAD_FL_SOURCE, pad.index
                )
                for pad in self.seen.pads
            ],
            "links": [
                *(
                    uapi.V2Link(1, link.source, link.sink, link.enabled | link.immutable << 1)
                    for link in self.links.values()
                ),
                *(
                    uapi.V2Link(2, interface.id, interface.id - 0x03000000, 3 | uapi.MEDIA_LNK_FL_INTERFACE_LINK)
                    for interface in interfaces
                ),
            ],
        }
        full = False
        for name, part in parts.items():
            place, room = getattr(raw, f"ptr_{name}"), getattr(raw, f"num_{name}")
            setattr(raw, f"num_{name}", len(part))
            if place and room < len(part):
                full = True
            elif place:
                array = (type(part[0]) * len(part))(*part)
                ctypes.memmove(place, array, ctypes.sizeof(array))
            elif self._grows:
                setattr(raw, f"num_{name}", len(part) - 1)
        if full:
            raise OSError(errno.ENOSPC, "no room")
        self._grows -= self._grows > 0 and not raw.ptr_links

    def _set_link(self, raw: uapi.LinkDesc) -> None:
        source, sink = (
            next((pad.id for pad in self.seen.pads if (pad.entity, pad.index) == (end.entity, end.index)), 0)
            for end in (raw.source, raw.sink)
        )
        link = self.links.get((source, sink))
        if link is None or (link.immutable and not raw.flags):
            raise OSError(errno.EINVAL, "no such link")
        self.links[source, sink] = Link(source, sink, bool(raw.flags), link.immutable)

    def _set_format(self, path: str, raw: uapi.SubdevFormat) -> None:
        entity = next(identifier for identifier, each in self.seen.nodes.items() if each == path)
        name = self.seen.entity(entity).name
        assert raw.which == uapi.V4L2_SUBDEV_FORMAT_ACTIVE
        if name.startswith("tc358743"):
            raw.format.width, raw.format.height = self._size
            raw.format.colorspace = self._colorspace
        self.formats[f"{name}:{raw.pad}"] = uapi.MbusFramefmt.from_buffer_copy(raw.format)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    """Put such a kernel in the place of ours."""

    def kernel(*arguments: Any, **options: Any) -> Kernel:
        fake = Kernel(*arguments, **options)
        shadow(monkeypatch, node, "os", open=fake.open)
        shadow(monkeypatch, node, "fcntl", ioctl=fake.ioctl)
        # in the place of /sys/dev/char
        monkeypatch.setattr(media, "_node", lambda raw: list(fake.seen.nodes.values())[raw.minor])
        return fake

    return kernel


class TestApplying:
    def test_pictures_can_come(self, kernel: Callable[..., Kernel]) -> None:
        fake = kernel(topology())
        planned = media.plan(fake.seen, FULL_HD)
        assert not fake.can_stream(planned)
        media.apply(planned)
        assert fake.can_stream(planned)
        first = fake.formats["tc358743 10-000f:0"]
        assert (first.width, first.height, first.code, first.field, first.colorspace) == (1920, 1080, 0x200F, 1, 1)

    def test_the_bridge_has_other_colours(self, kernel: Callable[..., Kernel]) -> None:
        fake = kernel(topology(), colorspace=3)
        planned = media.plan(fake.seen, FULL_HD)
        media.apply(planned)
        assert fake.can_stream(planned)
        assert {each.colorspace for each in fake.formats.values()} == {3}

    def test_again_in_another_size(self, kernel: Callable[..., Kernel]) -> None:
        fake = kernel(topology())
        media.apply(media.plan(fake.seen, FULL_HD))
        fake._size = Size(1280, 720)
        with contextlib.closing(media.MediaDevice("/dev/media0")) as device:
            planned = media.plan(device.topology(), fake._size)
        assert planned.links == ()
        media.apply(planned)
        assert fake.can_stream(planned)
        assert {(each.width, each.height) for each in fake.formats.values()} == {(1280, 720)}

    def test_the_bridge_has_another_size(self, kernel: Callable[..., Kernel]) -> None:
        fake = kernel(topology(), Size(640, 480))
        with pytest.raises(DriverError, match=r"^tc358743 10-000f does not take UYVY 1920x1080: it offers 640x480 "):
            media.apply(media.plan(fake.seen, FULL_HD))

    def test_a_link_that_is_not_there_is_the_kernels_error(self, kernel: Callable[..., Kernel]) -> None:
        planned = media.plan(topology(), FULL_HD)
        kernel(topology(RECORDED.replace('    "csi2:4 -> rp1-cfe-csi2_ch0:0",\n', "")))
        with pytest.raises(OSError, match="no such link"):
            media.apply(planned)


class TestReading:
    @pytest.mark.parametrize("grows", [0, 2])
    def test_the_graph_is_as_the_kernel_writes_it(self, kernel: Callable[..., Kernel], grows: int) -> None:
        fake = kernel(topology(), grows=grows)
        with contextlib.closing(media.MediaDevice("/dev/media0")) as device:
            assert device.topology() == fake.seen

    def test_nodes_are_found_by_their_numbers(self) -> None:
        assert media._node(uapi.V2IntfDevnode(1, 3)) == "/dev/null"
