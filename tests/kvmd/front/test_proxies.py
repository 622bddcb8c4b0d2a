"""Proxies before the front: whom those that are trusted ask for, and that nobody else is believed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest

from kvmd.front.admission import Admission
from kvmd.front.proxies import HINTS, Asked, Proxies
from kvmd.front.server import Server
from kvmd.front.site import Site
from tests.kvmd.front.conftest import KNOWN, make_app
from tests.waiting import eventually, patience
from tests.wire import Wire, request

PROXY = "192.0.2.1"
CLIENT = "198.51.100.7"
TRUSTED = [PROXY, "10.0.0.0/8", "2001:db8::/32"]


def asked(*headers: tuple[str, str], peer: str = PROXY, scheme: str = "http") -> Asked:
    return Proxies(TRUSTED).asked(peer, scheme, list(headers))


def hops(*values: str) -> list[tuple[str, str]]:
    return [("x-forwarded-for", value) for value in values]


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ([CLIENT], CLIENT),
        ([f"203.0.113.9, {CLIENT}"], CLIENT),
        ([f"{CLIENT}, 10.1.2.3"], CLIENT),
        ([f"203.0.113.9 ,{CLIENT},10.1.2.3 , 2001:db8::5"], CLIENT),
        (["203.0.113.9", CLIENT, "10.1.2.3"], CLIENT),
        (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ([f"{CLIENT}:52383"], CLIENT),
        (["[2001:db9::1]:443"], "2001:db9::1"),
        (["[2001:db9::1]"], "2001:db9::1"),
        (["2001:db9::1"], "2001:db9::1"),
        (["::ffff:198.51.100.7"], CLIENT),
        (["fe80::1%eth0"], "fe80::1"),
    ],
    ids=str,
)
def test_the_client_is_the_right_most_that_is_no_proxy(values: list[str], address: str) -> None:
    """Also where a proxy adds the port (home-assistant.io 25312, home-assistant/core 176387)."""
    assert asked(*hops(*values)) == Asked(address, "http")


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ([""], PROXY),
        (["unknown"], PROXY),
        ([f"{CLIENT}, unknown"], PROXY),
        (["unix:"], PROXY),
        ([f"{CLIENT}, x, 10.1.2.3"], "10.1.2.3"),
        (["999.1.1.1"], PROXY),
        (["1.2.3.4:5:6"], PROXY),
        (["[1.2.3.4"], PROXY),
        ([f'"{CLIENT}"'], PROXY),
        ([f"{CLIENT} 10.0.0.1"], PROXY),
        (["\xff\xfe"], PROXY),
        (["," * 10000], PROXY),
        ([f"{CLIENT}, " + ", ".join(["10.0.0.1"] * 5000)], "10.0.0.1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_read_ends_the_way_back(values: list[str], address: str) -> None:
    assert asked(*hops(*values)) == Asked(address, "http")


def test_nobody_else_is_believed() -> None:
    headers = [
        *hops(CLIENT),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/x"),
    ]
    for peer in ("192.0.2.2", "127.0.0.1", "2001:db9::1", "unix"):
        assert asked(*headers, peer=peer) == Asked(peer, "http")
    assert Proxies().asked(PROXY, "http", headers) == Asked(PROXY, "http")
    assert Proxies(["unix"]).asked("unix", "http", headers).address == CLIENT


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("ws", "http"),
        ("http", "http"),
        ("", "http"),
        ("gopher", "http"),
        ("http, https", "https"),
        ("https,http", "http"),
    ],
)
def test_the_scheme_is_what_the_proxy_says(proto: str, scheme: str) -> None:
    assert asked(*hops(CLIENT), ("x-forwarded-proto", proto)).scheme == scheme
    assert asked(("x-forwarded-proto", proto)).scheme == scheme, "without an address, too"


def test_without_a_word_the_scheme_is_the_connections() -> None:
    assert asked(*hops(CLIENT), scheme="https") == Asked(CLIENT, "https")


@pytest.mark.parametrize(
    ("addresses", "protos", "scheme"),
    [
        (f"{CLIENT}, 10.0.0.1", "https, http", "https"),
        (f"203.0.113.9, {CLIENT}", "https, http", "http"),
        (f"{CLIENT}, 10.0.0.1", "https", "https"),
    ],
)
def test_of_several_the_one_counts_that_was_said_of_the_client(addresses: str, protos: str, scheme: str) -> None:
    """Two proxies that both add theirs (waitress 442, OctoPrint 1391)."""
    hosts = "kvm.example" if "," not in protos else "kvm.example, inner"
    said = asked(*hops(addresses), ("x-forwarded-proto", protos), ("x-forwarded-host", hosts))
    assert said.scheme == scheme
    assert said.host == ("inner" if scheme == "http" else "kvm.example")


@pytest.mark.parametrize(
    ("header", "value", "wanted"),
    [
        ("host", "kvm.example", "kvm.example"),
        ("host", "kvm.example:8443", "kvm.example:8443"),
        ("host", "[2001:db8::1]:1", "[2001:db8::1]:1"),
        ("host", "kvm.example/", ""),
        ("host", "a b", ""),
        ("host", "\xff", ""),
        ("host", "", ""),
        ("prefix", "/kvm", "/kvm"),
        ("prefix", "/a/b/", "/a/b"),
        ("prefix", "/", ""),
        ("prefix", "kvm", ""),
        ("prefix", "//evil.example", ""),
        ("prefix", "/a\tb", ""),
    ],
)
def test_what_is_malformed_is_left_out(header: str, value: str, wanted: str) -> None:
    said = asked(*hops(CLIENT), (f"x-forwarded-{header}", value))
    assert said == Asked(CLIENT, "http", **{header: wanted})


def test_a_proxy_that_is_not_trusted_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    proxies = Proxies(TRUSTED)
    for number in [1, 1, *range(100)]:
        proxies.asked(f"203.0.113.{number}", "http", hops(CLIENT))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == HINTS
    assert lines[0].startswith("203.0.113.1 sends X-Forwarded-For and is no trusted proxy")
    assert lines[0].endswith('set web.trusted_proxies = ["203.0.113.1"]')
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        asked(*hops(CLIENT))
        Proxies().asked("203.0.113.1", "http", [])
    assert not caplog.records


Ask = Callable[..., Any]


@pytest.fixture
def behind() -> Iterator[Server]:
    """The small app, to which this machine is a trusted proxy."""
    knows = lambda environ: environ.get("HTTP_AUTHORIZATION") == KNOWN  # noqa: E731
    site = Site(make_app(), ["127.0.0.1:0"], "", 1000, None, knows, Proxies(["127.0.0.1"]), environ={"test.site": "a"})
    server = Server([site], files=64)
    server.start()
    yield server
    server.stop()


def wire(server: Server, source: str = "127.0.0.1") -> Wire:
    return Wire(server.listeners[0].address, source)


def test_the_app_sees_the_client(behind: Server) -> None:
    said = [f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https", "X-Forwarded-Host: kvm.example"]
    for source, address in (("127.0.0.1", CLIENT), ("127.0.0.2", "127.0.0.2")):
        with wire(behind, source) as proxy:
            proxy.send(request("GET", "/echo", *said, host="backend"))
            answer = json.loads(proxy.answer()[2])
        assert (answer["address"], answer["secure"]) == (address, address == CLIENT)
        assert answer["headers"]["host"] == ("kvm.example" if address == CLIENT else "backend")


@pytest.mark.parametrize("path", ["/echo", "/kvm/echo"])
def test_in_a_folder_the_path_is_the_same_whether_the_proxy_takes_it_off_or_not(behind: Server, path: str) -> None:
    with wire(behind) as proxy:
        proxy.send(request("GET", path, "X-Forwarded-Prefix: /kvm/"))
        assert json.loads(proxy.answer()[2])["path"] == "/echo?"
        proxy.send(request("GET", "/kvmecho", "X-Forwarded-Prefix: /kvm"))
        assert proxy.answer()[0] == 404
    with wire(behind, "127.0.0.2") as stranger:
        stranger.send(request("GET", path, "X-Forwarded-Prefix: /kvm/"))
        assert stranger.answer()[0] == (200 if path == "/echo" else 404)


def test_an_app_can_tell_its_sites_apart() -> None:
    app = flask.Flask("sites")
    app.add_url_rule("/", view_func=lambda: str(flask.request.environ["test.site"]))
    sites = [Site(app, ["127.0.0.1:0"], "", 0, environ={"test.site": name}) for name in ("one", "two")]
    server = Server(sites)
    server.start()
    try:
        for listener, name in zip(server.listeners, (b"one", b"two"), strict=True):
            with Wire(listener.address) as client:
                client.send(request("GET", "/"))
                assert client.answer()[2] == name
    finally:
        server.stop()


def test_one_person_behind_a_proxy_does_not_take_the_places_of_the_others(behind: Server) -> None:
    """With 64 files an address has 4 strangers' places: all are taken by one who waits for answers behind the proxy."""
    each = Admission(64).each
    app = behind._sites[0].app
    assert isinstance(app, flask.Flask)
    held = [wire(behind) for _ in range(each)]
    for proxy in held:
        proxy.send(request("GET", "/later?seconds=9999", f"X-Forwarded-For: {CLIENT}"))
        assert app.config["asked"].acquire(timeout=patience())
    with wire(behind) as proxy:
        for address, code in ((CLIENT, 429), ("198.51.100.8", 200), (CLIENT, 429)):
            proxy.send(request("GET", "/echo?", f"X-Forwarded-For: {address}"))
            assert proxy.answer()[0] == code, "on the same connection, which the proxy keeps for all its clients"
        proxy.send(request("GET", "/echo?", f"X-Forwarded-For: {CLIENT}", f"Authorization: {KNOWN}"))
        assert proxy.answer()[0] == 200, "who is known is let in"
        proxy.send(request("GET", "/echo?", f"X-Forwarded-For: {CLIENT}"))
        assert proxy.answer()[0] == 429, "and is a stranger again with the next request"
    for proxy in held:
        proxy.__exit__()


def test_a_proxys_idle_connections_have_no_bound_of_one_address(behind: Server) -> None:
    bounds = Admission(64)
    idle = [wire(behind) for _ in range(bounds.each + 1)]
    for number, proxy in enumerate(idle):
        proxy.send(request("GET", "/echo?", f"X-Forwarded-For: 198.51.100.{number}"))
        assert proxy.answer()[0] == 200
    eventually(lambda: len(behind._hub.connections) == len(idle), "all being there still")
    for proxy in idle:
        proxy.__exit__()
