"""The media graph that pictures go through where the video node does not take care of itself, as on a Raspberry Pi 5.

A bridge, such as the entity ``tc358743 11-000f``, sends to the CSI receiver's entity, which sends to one of several
video nodes. Links say to which; each pad on the way has a format, and all of them have to agree, colour space included,
or STREAMON answers EPIPE. EDID and timings are set on the bridge's own node.

A topology is data, and planning on it is pure; ``find`` and ``apply`` do the work. Errors are the kernel's own
(OSError); the driver above turns them into words.
Documented in the kernel's "Media Controller API", linux/Documentation/userspace-api/media/mediactl/, and "Sub-device
Interface" in its "Video for Linux API".
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from kvmd import DriverError

from ..v4l2.node import Handle, Size
from . import media_uapi as uapi

_VIDEO = (uapi.MEDIA_INTF_T_V4L_VIDEO, uapi.MEDIA_INTF_T_V4L_SUBDEV)

_BRIDGES = ("tc358743", "tc358840", "lt6911", "rk628")
"""How the names of bridges begin whose drivers may call them camera sensors."""


class Entity(msgspec.Struct, frozen=True):
    """A part of the device; ``function`` is one of the kernel's MEDIA_ENT_F_*."""

    id: int
    name: str
    function: int


class Pad(msgspec.Struct, frozen=True):
    """Where data goes into an entity, or out of it; ``index`` counts from 0 in each entity."""

    id: int
    entity: int
    index: int
    is_sink: bool


class Link(msgspec.Struct, frozen=True):
    """From a pad to a pad, by their ids; an immutable one is always enabled."""

    source: int
    sink: int
    enabled: bool
    immutable: bool


class Topology(msgspec.Struct, frozen=True):
    """A media device at one moment.

    :param path: its node in /dev
    :param nodes: the nodes in /dev of its entities, by their ids
    """

    path: str
    entities: tuple[Entity, ...]
    pads: tuple[Pad, ...]
    links: tuple[Link, ...]
    nodes: Mapping[int, str]

    def entity(self, identifier: int) -> Entity:
        """Return the entity with an id."""
        return next(each for each in self.entities if each.id == identifier)

    def pad(self, identifier: int) -> Pad:
        """Return the pad with an id."""
        return next(each for each in self.pads if each.id == identifier)

    def pads_of(self, entity: int, *, sinks: bool) -> list[Pad]:
        """List an entity's sinks, or its sources, in their order."""
        found = (pad for pad in self.pads if pad.entity == entity and pad.is_sink == sinks)
        return sorted(found, key=lambda pad: pad.index)


class Plan(msgspec.Struct, frozen=True):
    """What to set so that pictures come from the bridge to a video node.

    :param video: the video node that will have the pictures
    :param links: which to disable, then which to enable; ``enabled`` is what is wanted
    :param pads: the pads on the way, from the bridge on, all of which get one format
    """

    topology: Topology
    video: str
    size: Size
    links: tuple[Link, ...]
    pads: tuple[Pad, ...]


def find(video_node: str) -> Topology | None:
    """Return the media device that a video node belongs to; None if there is none."""
    wanted = os.path.realpath(video_node)
    for path in sorted(Path("/dev").glob("media*")):
        with contextlib.closing(MediaDevice(str(path))) as device:
            topology = device.topology()
        if wanted in topology.nodes.values():
            return topology
    return None


def bridge(topology: Topology) -> Entity | None:
    """Return the entity that has the HDMI input; None if there is none.

    It is a bridge by its function or its name, and data comes into it from nowhere: CSI receivers are bridges, too.
    """
    for entity in topology.entities:
        known = entity.function == uapi.MEDIA_ENT_F_VID_IF_BRIDGE or entity.name.lower().startswith(_BRIDGES)
        if known and topology.pads_of(entity.id, sinks=False) and not topology.pads_of(entity.id, sinks=True):
            return entity
    return None


def subdevice(topology: Topology) -> str | None:
    """Return the bridge's own node, for EDID and timings; None where the video node has them itself."""
    found = bridge(topology)
    return topology.nodes.get(found.id) if found else None


def plan(topology: Topology, size: Size) -> Plan:
    """Plan how pictures of a size come from the bridge to the nearest video node.

    :raises DriverError: there is no bridge, or no way
    """
    start = bridge(topology)
    if start is None:
        names = ", ".join(entity.name for entity in topology.entities)
        raise DriverError(
            f"{topology.path}: no HDMI bridge is among its parts: {names}; is the bridge's overlay loaded?"
        )
    way = _way(topology, start)
    if way is None:
        raise DriverError(f"{topology.path}: no links lead from {start.name} to a video node")
    *pads, last = (topology.pad(pad) for link in way for pad in (link.source, link.sink))
    others = (link for link in topology.links if link.enabled and not link.immutable and link not in way)
    return Plan(
        topology=topology,
        video=topology.nodes[last.entity],
        size=size,
        links=(
            *(msgspec.structs.replace(link, enabled=False) for link in others),
            *(msgspec.structs.replace(link, enabled=True) for link in way if not link.enabled),
        ),
        pads=tuple(pads),
    )


def apply(planned: Plan) -> None:
    """Set links and formats.

    :raises DriverError: an entity does not take the format
    """
    with contextlib.closing(MediaDevice(planned.topology.path)) as device:
        for link in planned.links:
            device.set_link(planned.topology, link)
    width, height = planned.size
    wanted = uapi.MbusFramefmt(width, height, uapi.MEDIA_BUS_FMT_UYVY8_1X16, uapi.V4L2_FIELD_NONE)
    wanted.colorspace = uapi.V4L2_COLORSPACE_SMPTE170M
    for pad in planned.pads:
        got = _set_format(planned.topology.nodes[pad.entity], pad.index, wanted)
        if (got.width, got.height, got.code) != (width, height, wanted.code):
            name = planned.topology.entity(pad.entity).name
            raise DriverError(
                f"{name} does not take UYVY {planned.size}: it offers {got.width}x{got.height} with the code "
                f"0x{got.code:04x} instead"
            )
        # What the bridge says of the colours is what the others have to be told.
        wanted = got


class MediaDevice(Handle):
    """An open media device."""

    def info(self) -> uapi.DeviceInfo:
        """Return what it says of itself."""
        raw = uapi.DeviceInfo()
        self.ioctl(uapi.MEDIA_IOC_DEVICE_INFO, raw)
        return raw

    def topology(self) -> Topology:
        """Return its parts and how they are linked."""
        entities, interfaces, pads, links = self._read()
        nodes = {each.id: _node(each.devnode) for each in interfaces if each.intf_type in _VIDEO}
        kinds = {each.id: each.flags & uapi.MEDIA_LNK_FL_LINK_TYPE for each in links}
        return Topology(
            path=self.path,
            entities=tuple(Entity(each.id, each.name.decode(errors="replace"), each.function) for each in entities),
            pads=tuple(
                Pad(each.id, each.entity_id, each.index, bool(each.flags & uapi.MEDIA_PAD_FL_SINK)) for each in pads
            ),
            links=tuple(_link(each) for each in links if kinds[each.id] == uapi.MEDIA_LNK_FL_DATA_LINK),
            nodes={
                each.sink_id: nodes[each.source_id]
                for each in links
                if kinds[each.id] == uapi.MEDIA_LNK_FL_INTERFACE_LINK and each.source_id in nodes
            },
        )

    def set_link(self, topology: Topology, link: Link) -> None:
        """Enable or disable a link."""
        source, sink = topology.pad(link.source), topology.pad(link.sink)
        raw = uapi.LinkDesc(
            source=uapi.PadDesc(source.entity, source.index),
            sink=uapi.PadDesc(sink.entity, sink.index),
            flags=uapi.MEDIA_LNK_FL_ENABLED if link.enabled else 0,
        )
        self.ioctl(uapi.MEDIA_IOC_SETUP_LINK, raw)

    def _read(self) -> _Graph:
        """Read the graph; what grew meanwhile does not fit (ENOSPC), and is read again."""
        while True:
            raw = uapi.V2Topology()
            self.ioctl(uapi.MEDIA_IOC_G_TOPOLOGY, raw)
            graph = _Graph(
                (uapi.V2Entity * raw.num_entities)(),
                (uapi.V2Interface * raw.num_interfaces)(),
                (uapi.V2Pad * raw.num_pads)(),
                (uapi.V2Link * raw.num_links)(),
            )
            places = (ctypes.addressof(part) for part in graph)
            raw.ptr_entities, raw.ptr_interfaces, raw.ptr_pads, raw.ptr_links = places
            try:
                self.ioctl(uapi.MEDIA_IOC_G_TOPOLOGY, raw)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            else:
                return graph


class _Graph(NamedTuple):
    """The parts of a media device as the kernel writes them."""

    entities: ctypes.Array[uapi.V2Entity]
    interfaces: ctypes.Array[uapi.V2Interface]
    pads: ctypes.Array[uapi.V2Pad]
    links: ctypes.Array[uapi.V2Link]


def _node(raw: uapi.V2IntfDevnode) -> str:
    """Return a node's path in /dev, where the kernel's name for it is."""
    return f"/dev/{Path(f'/sys/dev/char/{raw.major}:{raw.minor}').resolve().name}"


def _link(raw: uapi.V2Link) -> Link:
    enabled, immutable = (bool(raw.flags & flag) for flag in (uapi.MEDIA_LNK_FL_ENABLED, uapi.MEDIA_LNK_FL_IMMUTABLE))
    return Link(raw.source_id, raw.sink_id, enabled, immutable)


def _way(topology: Topology, start: Entity) -> list[Link] | None:
    """Return the links of the shortest way from an entity to a video node; None if there is none."""
    ways = deque([link] for pad in topology.pads_of(start.id, sinks=False) for link in _links_from(topology, pad))
    seen: set[int] = set()
    while ways:
        way = ways.popleft()
        sink = topology.pad(way[-1].sink)
        if topology.entity(sink.entity).function == uapi.MEDIA_ENT_F_IO_V4L:
            return way
        passed = _opposite(topology, sink)
        if passed is not None and passed.id not in seen:
            seen.add(passed.id)
            ways += [[*way, link] for link in _links_from(topology, passed)]
    return None


def _links_from(topology: Topology, pad: Pad) -> Iterator[Link]:
    return (link for link in topology.links if link.source == pad.id)


def _opposite(topology: Topology, sink: Pad) -> Pad | None:
    """Return the source where data comes out that goes into a sink: the first for the first, and so on."""
    position = topology.pads_of(sink.entity, sinks=True).index(sink)
    sources = topology.pads_of(sink.entity, sinks=False)
    return sources[position] if position < len(sources) else None


def _set_format(node: str, pad: int, wanted: uapi.MbusFramefmt) -> uapi.MbusFramefmt:
    raw = uapi.SubdevFormat(which=uapi.V4L2_SUBDEV_FORMAT_ACTIVE, pad=pad, format=wanted)
    with contextlib.closing(Handle(node)) as handle:
        handle.ioctl(uapi.VIDIOC_SUBDEV_S_FMT, raw)
    got: uapi.MbusFramefmt = raw.format
    return got
