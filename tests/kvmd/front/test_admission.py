"""Who is counted as whom, and how many may come."""

import resource

import pytest

from kvmd.errors import KvmdError
from kvmd.front.admission import Admission, Place, group_of, plain_address
from kvmd.front.request import Refusal


@pytest.mark.parametrize(
    ("host", "plain", "group"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::1", "::1", "::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
    ],
)
def test_addresses(host: str, plain: str, group: str) -> None:
    assert plain_address(host) == plain
    assert group_of(plain) == group
    assert group_of("unix") == "unix"


@pytest.mark.parametrize(
    ("files", "most"), [(0, 16), (64, 16), (256, 64), (1024, 256), (524288, 384), (resource.RLIM_INFINITY, 384)]
)
def test_connections_are_far_below_the_limit_of_files(files: int, most: int) -> None:
    bounds = Admission(files)
    assert bounds.most == most
    assert bounds.each <= bounds.strangers // 2 <= bounds.known_each < most


def test_the_limit_of_files_is_looked_at() -> None:
    assert Admission().most == Admission(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).most


def test_the_address_that_has_the_most_gives_way() -> None:
    bounds, ended = Admission(256), []
    for number in range(bounds.each):
        bounds.admit("many", lambda number=number: ended.append(number))  # type: ignore[misc]
    for number in range(bounds.strangers):
        bounds.admit(f"{number}", lambda number=number: ended.append(f"{number}"))  # type: ignore[misc]
    assert ended[: bounds.each - 1] == list(range(bounds.each - 1))


def test_one_who_is_known_never_gives_way() -> None:
    bounds, ended = Admission(64), []
    known = bounds.admit("one", lambda: ended.append("known"))
    assert bounds.know(known)
    for _ in range(100):
        bounds.admit("one", lambda: ended.append("stranger"))
    assert set(ended) == {"stranger"}


def test_those_who_are_known_have_their_bound_at_an_address_too() -> None:
    bounds = Admission(64)
    for _ in range(bounds.known_each):
        assert bounds.know(bounds.admit("one", lambda: None))
    rest = [bounds.admit("one", lambda: None) for _ in range(bounds.each)]
    for place in rest:
        place.evictable = False
        assert bounds.know(place), "in a stranger's place"
        assert not place.known
    late = bounds.admit("one", lambda: None)
    assert late.trial is not None
    assert late.trial.code == 429
    assert not bounds.know(late)


def on_trial(*places: Place) -> list[bool]:
    return [place.trial is not None for place in places]


def test_a_proxys_place_is_its_clients_with_each_request() -> None:
    bounds = Admission(64)
    places = [bounds.admit("proxy", lambda: None, shared=True) for _ in range(bounds.each + 1)]
    assert not any(on_trial(*places)), "no bound of one address"
    for place in places:
        place.evictable = False
        bounds.move(place, "one")
    assert on_trial(*places) == [False] * bounds.each + [True]
    assert bounds.know(bounds.admit("one", lambda: None)), "who is known has a place all the same"
    bounds.move(places[-1], "two")
    assert on_trial(places[-1]) == [False]
    assert bounds.know(places[-1])
    bounds.move(places[-1], "one")
    assert not places[-1].known
    assert on_trial(places[-1]) == [True]
    for place in places:
        bounds.leave(place)
        bounds.move(place, "gone")
    assert not bounds._strangers
    assert bounds._known == {"one": 1}


def test_a_place_is_given_back_once() -> None:
    bounds = Admission(64)
    for _ in range(100):
        place = bounds.admit("one", lambda: None)
        place.evictable = False
        bounds.know(place)
        bounds.leave(place)
        bounds.leave(place)
    assert not bounds._strangers
    assert not bounds._known


def test_nobody_is_let_in_where_nobody_gives_way() -> None:
    bounds = Admission(64)
    for number in range(bounds.most):
        place = bounds.admit(f"{number}", lambda: None)
        bounds.know(place)
    with pytest.raises(Refusal, match=r"^too many connections$") as caught:
        bounds.admit("late", lambda: None)
    assert caught.value.code == 503
    assert not isinstance(caught.value, KvmdError), "it is the front's own"
