"""Who holds which keys, seen from the reports that the hardware gets."""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kvmd.contract.hid import MAX_KEYS, Capability, ConsumerReport, KeyboardReport, Report, SystemReport
from kvmd.errors import HidOffline, RequestError, Unsupported
from kvmd.input import holders
from kvmd.input.holders import Holders
from kvmd.input.keyboard import Keyboard
from kvmd.input.keymap import KEYS, MEDIA_KEYS, POWER_KEYS, Key
from kvmd.input.turn import Turn

NOTHING = KeyboardReport()
LETTERS = ["KeyA", "KeyB", "KeyC", "KeyD", "KeyE", "KeyF", "KeyG"]
MODIFIERS = [name for name, key in KEYS.items() if key.modifier]
A, B, C, D, E, F, G = range(0x04, 0x0B)
CTRL, SHIFT = 0x01, 0x02


class Host:
    """Records the reports it takes; refuses as many as it is told to."""

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.refusals = 0
        self.gone: set[str] = set()
        self.able = ~Capability(0)

    def send(self, report: Report) -> None:
        if self.refusals:
            self.refusals -= 1
            raise HidOffline("the host sleeps")
        self.reports.append(report)

    @property
    def down(self) -> Any:
        return self.reports[-1] if self.reports else NOTHING


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def keys(host: Host) -> Keyboard:
    held: Holders[Key] = Holders(lambda client: client not in host.gone, timeout=10, turn=Turn())
    return Keyboard(host.send, lambda: host.able, held)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr(holders, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_tap_is_pressed_and_released(host: Host, keys: Keyboard) -> None:
    keys.tap("one", ["KeyA"])
    assert host.reports == [KeyboardReport(0, (A,)), NOTHING]


def test_a_chord_is_pressed_together(host: Host, keys: Keyboard) -> None:
    keys.tap("one", ["ControlLeft", "AltLeft", "Delete"])
    assert host.reports == [KeyboardReport(0x05, (0x4C,)), NOTHING]


def test_a_name_given_twice_is_one_key(host: Host, keys: Keyboard) -> None:
    keys.tap("one", ["PrtSc", "PrintScreen", "KeyA", "KeyA"])
    assert host.reports[0] == KeyboardReport(0, (0x46, A))


def test_six_ordinary_keys_and_all_modifiers_at_once(host: Host, keys: Keyboard) -> None:
    keys.tap("one", LETTERS[:MAX_KEYS] + MODIFIERS)
    assert host.reports == [KeyboardReport(0xFF, (A, B, C, D, E, F)), NOTHING]


@pytest.mark.parametrize("call", ["tap", "press", "release"])
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (LETTERS, "^7 ordinary keys at once; a keyboard report holds 6$"),
        ([], "^no key given"),
        (["KeyA", "Keya"], '^"Keya" is not a key'),
        (["", "KeyA"], '^"" is not a key'),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_pressed(
    host: Host, keys: Keyboard, call: str, codes: list[str], message: str
) -> None:
    keys.press("one", ["KeyB"])
    with pytest.raises(RequestError, match=message):
        getattr(keys, call)("one", codes)
    assert host.reports == [KeyboardReport(0, (B,))]


@pytest.mark.parametrize("call", ["tap", "press"])
def test_the_seventh_key_is_refused_whoever_holds_the_others(host: Host, keys: Keyboard, call: str) -> None:
    keys.press("one", LETTERS[:3])
    keys.press("two", LETTERS[3:6])
    with pytest.raises(RequestError, match="7 ordinary keys"):
        getattr(keys, call)("three", ["KeyG"])
    assert host.down == KeyboardReport(0, (A, B, C, D, E, F))
    keys.tap("three", ["ShiftLeft"])
    keys.release("one", ["KeyA"])
    keys.press("three", ["KeyG"])
    assert host.down == KeyboardReport(0, (B, C, D, E, F, G))


def test_keys_are_held_until_released(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["ShiftLeft", "KeyA"])
    keys.press("one", ["KeyB"])
    keys.release("one", ["KeyA"])
    assert host.down == KeyboardReport(SHIFT, (B,))
    keys.release_all("one")
    assert host.down == NOTHING
    keys.release_all("one")
    keys.release("one", ["KeyA"])
    assert len(host.reports) == 4, "letting go of what is not held is no report, and no error"


def test_a_key_that_two_hold_is_down_until_both_let_go(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["KeyA"])
    keys.press("two", ["KeyA", "ControlLeft"])
    keys.release("one", ["KeyA", "ControlLeft"])
    assert host.down == KeyboardReport(CTRL, (A,))
    keys.release_all("one")
    assert host.down == KeyboardReport(CTRL, (A,))
    keys.release_all("two")
    assert host.down == NOTHING


def test_a_tap_beside_held_keys_leaves_them_held(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["ShiftLeft"])
    keys.press("two", ["KeyB"])
    keys.tap("one", ["KeyA"])
    assert host.reports[-2:] == [KeyboardReport(SHIFT, (A, B)), KeyboardReport(SHIFT, (B,))]


def test_renewing_sends_nothing(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["KeyA"])
    keys.press("one", ["KeyA"])
    assert host.reports == [KeyboardReport(0, (A,))], "a second report would be a second key press to some hosts"


def test_the_keys_of_a_silent_client_are_released(host: Host, keys: Keyboard, clock: SimpleNamespace) -> None:
    keys.press("silent", ["KeyA"])
    keys.press("renewing", ["KeyB"])
    clock.now += 9
    keys.press("renewing", ["KeyB"])
    keys.expire()
    assert host.down == KeyboardReport(0, (A, B))
    clock.now += 2
    keys.expire()
    assert host.down == KeyboardReport(0, (B,))
    clock.now += 9
    keys.expire()
    assert host.down == NOTHING


def test_the_keys_of_a_client_that_is_gone_are_released_at_once(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["KeyA"])
    keys.press("two", ["KeyB"])
    host.gone.add("one")
    keys.expire()
    assert host.down == KeyboardReport(0, (B,))


def test_nothing_is_kept_of_clients_that_hold_nothing(keys: Keyboard) -> None:
    for client in range(10):
        keys.tap(f"client {client}", ["KeyA"])
        keys.release(f"client {client}", ["KeyA"])
    keys.expire()
    assert not keys._holders._heard


@pytest.mark.parametrize("call", ["tap", "press"])
def test_a_press_that_fails_leaves_nothing_held(host: Host, keys: Keyboard, call: str) -> None:
    keys.press("one", ["KeyA"])
    host.refusals = 1
    with pytest.raises(HidOffline, match="the host sleeps"):
        getattr(keys, call)("one", ["KeyB"])
    keys.press("two", ["KeyC"])
    assert host.down == KeyboardReport(0, (A, C))


def test_a_release_that_fails_stays_done(host: Host, keys: Keyboard) -> None:
    releases: list[Callable[[], None]] = [lambda: keys.release("one", ["KeyA"]), lambda: keys.release_all("one")]
    for release in releases:
        keys.press("one", ["KeyA"])
        host.refusals = 1
        with pytest.raises(HidOffline):
            release()
        keys.tap("two", ["KeyB"])
        assert host.down == NOTHING


def test_a_tap_whose_release_fails_holds_only_what_was_held(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["ShiftLeft"])
    refuse = iter([False, True])

    def send(report: Report) -> None:
        if next(refuse, False):
            raise HidOffline("gone in between")
        host.send(report)

    keys._send = send
    with pytest.raises(HidOffline, match="gone in between"):
        keys.tap("one", ["KeyA"])
    keys.press("two", ["KeyB"])
    assert host.down == KeyboardReport(SHIFT, (B,))


def test_reset_releases_everything_and_tells_the_host_in_any_case(host: Host, keys: Keyboard) -> None:
    keys.reset()
    assert host.reports == [NOTHING], "the host may believe that something is held, from a life before"
    keys.press("one", ["KeyA", "ShiftLeft"])
    keys.press("two", ["KeyB"])
    keys.reset()
    assert host.down == NOTHING
    keys.tap("one", ["KeyC"])
    assert host.reports[-2:] == [KeyboardReport(0, (C,)), NOTHING]


@pytest.mark.parametrize("name", ["KeyÄ", "A", "keya", "KeyA ", "Fn", "Unidentified", "4"])
def test_every_unknown_name_is_told(host: Host, keys: Keyboard, name: str) -> None:
    with pytest.raises(RequestError) as raised:
        keys.press("one", ["KeyA", name])
    assert str(raised.value).startswith(f'"{name}" is not a key')
    assert not host.reports


def test_every_key_can_be_tapped(host: Host, keys: Keyboard) -> None:
    host.able = Capability.KEYBOARD
    for name, key in KEYS.items():
        keys.tap("one", [name])
        wanted = KeyboardReport(key.modifier, () if key.modifier else (key.usage,))
        assert host.reports[-2:] == [wanted, NOTHING]


class Model:
    """What must be down: for each client a set of names, and the union of them."""

    def __init__(self) -> None:
        self.held: dict[str, set[str]] = defaultdict(set)

    def fits(self, more: tuple[()] | list[str] = ()) -> bool:
        return sum(name not in MODIFIERS for name in set().union(more, *self.held.values())) <= MAX_KEYS

    def report(self) -> tuple[int, set[int]]:
        names = set().union(*self.held.values())
        return sum(KEYS[n].modifier for n in names), {KEYS[n].usage for n in names if not KEYS[n].modifier}

    def apply(self, call: str, client: str, codes: list[str]) -> bool:
        """Carry an operation out that the hardware took, and tell whether it was in order."""
        if call in {"tap", "press"} and not self.fits(codes):
            return False
        if call == "press":
            self.held[client] |= set(codes)
        elif call == "release":
            self.held[client] -= set(codes)
        elif call == "release_all":
            self.held[client].clear()
        elif call == "reset":
            self.held.clear()
        return True


@pytest.mark.parametrize("seed", range(20))
def test_what_is_down_is_always_the_union_of_what_clients_hold(host: Host, keys: Keyboard, seed: int) -> None:
    dice, model = random.Random(seed), Model()
    for _ in range(300):
        call = dice.choice(["tap", "press", "press", "release", "release", "release_all", "reset", "unknown"])
        client = dice.choice(["one", "two", "three"])
        codes = dice.sample(LETTERS + MODIFIERS[:2] + ["F13", "Enter"], dice.randint(1, 4))
        offline = dice.random() < 0.1
        host.refusals = int(offline)
        try:
            _operate(keys, call, client, codes)
            in_order = True
        except RequestError:
            in_order = False
        except HidOffline:
            # A press is undone, a release stays done; the slot resets the keyboard before the host is told more.
            assert offline
            host.refusals = 0
            keys.reset()
            model.held.clear()
            continue
        host.refusals = 0
        assert in_order == (call != "unknown" and model.apply(call, client, codes))
        assert (host.down.modifiers, set(host.down.keys)) == model.report()
        assert len(set(host.down.keys)) == len(host.down.keys) <= MAX_KEYS
    for client in ("one", "two", "three"):
        keys.release_all(client)
    assert host.down == NOTHING


def _operate(keys: Keyboard, call: str, client: str, codes: list[str]) -> None:
    if call == "reset":
        keys.reset()
    elif call == "release_all":
        keys.release_all(client)
    elif call == "unknown":
        keys.tap(client, [*codes, "Nonsense"])
    else:
        getattr(keys, call)(client, codes)


def test_a_closed_keyboard_releases_all_and_refuses_the_rest(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["KeyA"])
    keys.close()
    for call in (keys.press, keys.tap):
        with pytest.raises(HidOffline, match="the daemon is stopping"):
            call("two", ["KeyB"])
    assert host.reports == [KeyboardReport(0, (A,)), NOTHING]


@pytest.mark.parametrize("name", MEDIA_KEYS)
def test_every_media_key_can_be_tapped(host: Host, keys: Keyboard, name: str) -> None:
    keys.tap("one", [name])
    assert host.reports == [ConsumerReport((MEDIA_KEYS[name].usage,)), ConsumerReport()]


@pytest.mark.parametrize("name", POWER_KEYS)
def test_every_power_key_can_be_tapped(host: Host, keys: Keyboard, name: str) -> None:
    keys.tap("one", [name])
    assert host.reports == [SystemReport(POWER_KEYS[name].usage), SystemReport()]


@pytest.mark.parametrize("name", ["AudioVolumeMute", "AudioVolumeUp", "AudioVolumeDown", "Power"])
def test_a_keyboard_without_media_keys_has_some_on_its_own_page(host: Host, keys: Keyboard, name: str) -> None:
    host.able = Capability.KEYBOARD
    keys.tap("one", [name])
    assert host.reports == [KeyboardReport(0, (KEYS[name].usage,)), NOTHING]


@pytest.mark.parametrize(
    ("able", "name", "what"),
    [
        (Capability.KEYBOARD, "MediaPlayPause", "media keys"),
        (Capability.KEYBOARD, "Sleep", "power keys"),
        (Capability.CONSUMER_CONTROL, "KeyA", "keyboard"),
    ],
)
def test_what_the_hardware_lacks_is_told_and_nothing_is_pressed(
    host: Host, keys: Keyboard, able: Capability, name: str, what: str
) -> None:
    host.able = able
    with pytest.raises(Unsupported, match=f"^{name} cannot be pressed: the device in use has no {what}$"):
        keys.press("one", [name])
    assert not host.reports


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["Power", "Sleep"], "2 power keys at once; a power report holds 1"),
        (list(MEDIA_KEYS)[:5], "5 media keys at once; a media report holds 4"),
    ],
)
def test_each_report_holds_so_many(host: Host, keys: Keyboard, codes: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}$"):
        keys.press("one", codes)
    assert not host.reports


def test_a_chord_over_pages_goes_down_modifiers_first_and_up_modifiers_last(host: Host, keys: Keyboard) -> None:
    keys.tap("one", ["MediaPlayPause", "ControlLeft"])
    down = [KeyboardReport(CTRL), ConsumerReport((0xCD,))]
    assert host.reports == [*down, ConsumerReport(), NOTHING]


def test_pages_do_not_disturb_each_other(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["KeyA"])
    keys.tap("two", ["AudioVolumeUp"])
    assert host.reports[1:] == [ConsumerReport((0xE9,)), ConsumerReport()]


def test_a_chord_of_which_the_second_page_is_refused_leaves_nothing_down(host: Host, keys: Keyboard) -> None:
    refuse = iter([False, True])

    def send(report: Report) -> None:
        if next(refuse, False):
            raise HidOffline("firmware does not ask for media keys")
        host.send(report)

    keys._send = send
    with pytest.raises(HidOffline, match="firmware"):
        keys.press("one", ["ControlLeft", "MediaPlayPause"])
    assert host.reports == [KeyboardReport(CTRL), NOTHING]
    keys.expire()
    assert host.reports[2:] == [ConsumerReport()], "the host may have seen the press all the same"
    keys.expire()
    assert len(host.reports) == 3


def test_a_media_key_that_was_held_is_released_once_the_host_listens(host: Host, keys: Keyboard) -> None:
    keys.press("one", ["AudioVolumeUp"])
    accepting = iter([True, False, False])
    keys._send = lambda report: host.send(report) if next(accepting, True) else _refuse()
    keys.reset()
    assert host.reports[1:] == [NOTHING], "the keyboard works, the media keys are not asked for yet"
    keys.expire()
    assert len(host.reports) == 2
    keys.expire()
    assert host.reports[2:] == [ConsumerReport()]


def _refuse() -> None:
    raise HidOffline("not asked for")


def test_another_may_vouch_for_a_client(host: Host, keys: Keyboard, clock: SimpleNamespace) -> None:
    """Its word counts in place of the time-out, until it is taken back."""
    why: list[str | None] = [None]
    keys.vouch("one", lambda: why[0])
    keys.press("one", ["KeyA"])
    keys.press("two", ["KeyB"])
    clock.now += 1000
    keys.expire()
    assert host.down == KeyboardReport(0, (A,)), "the other's silence counts still"
    why[0] = "was silent for 2 s"
    keys.expire()
    assert host.down == NOTHING
    why[0] = None
    keys.press("one", ["KeyC"])
    keys.vouch("one", None)
    clock.now += 1000
    keys.expire()
    assert host.down == NOTHING
