"""The page's words: the same in each language, all there, and none too many."""

import json
import re
from pathlib import Path

import pytest

import kvmd.web
from kvmd.contract.power import PowerButton
from kvmd.contract.reports import PowerState, State

STATIC = Path(kvmd.web.__file__).parent / "static"
SOURCES = [path.read_text() for path in (*STATIC.rglob("*.js"), STATIC / "index.html")]
LANGUAGES = sorted(path.stem for path in (STATIC / "words").glob("*.json"))
PLACE = re.compile(r"\{\w+\}")
HOLE = re.compile(r"\$\{[^}]*\}")


def words(language: str) -> dict[str, str]:
    """Return the words of a language; a name that stands twice is a mistake."""
    pairs = json.loads((STATIC / "words" / f"{language}.json").read_text(), object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def found(*patterns: str) -> set[str]:
    """Return what is found in the page's sources."""
    return {name for source in SOURCES for pattern in patterns for name in re.findall(pattern, source)}


def sections() -> str:
    return "|".join({name.partition(".")[0] for name in words("en")})


def composed() -> list[re.Pattern[str]]:
    """Return what matches the names that are put together: `power.${name}` is any of power's."""
    templates = found(r"`((?:[a-z]+\.|\$\{)[^`]*)`")
    named = {
        each for each in templates if re.fullmatch(rf"(?:{sections()}|\$\{{[^}}]*\}})[.\w]*(?:\$\{{.*\}}|\.).*", each)
    }
    return [
        re.compile("[^.]+".join(re.escape(part) for part in HOLE.split(each)))
        for each in named
        if "." in HOLE.sub("", each)
    ]


def test_the_page_offers_the_languages_that_there_are() -> None:
    [listed] = re.findall(r"LANGUAGES = \{(.*?)\}", (STATIC / "words.js").read_text(), re.DOTALL)
    assert sorted(re.findall(r"^\s*(\w+):", listed, re.MULTILINE)) == LANGUAGES
    assert len(LANGUAGES) == 6


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_word_or_has_one_too_many(language: str) -> None:
    english, theirs = words("en"), words(language)
    assert list(theirs) == list(english)
    assert not [name for name, text in theirs.items() if not text.strip()]
    for name, text in theirs.items():
        assert sorted(set(PLACE.findall(text))) == sorted(set(PLACE.findall(english[name]))), name


def test_every_word_that_the_page_names_is_there() -> None:
    named = found(r'\bt\("([^"]+)"', r'data-t(?:-title|-label)?="([^"]+)"', rf'"((?:{sections()})\.[\w.]+)"')
    assert len(named) > 100
    assert named - set(words("en")) == set()


def test_whatever_state_the_daemon_tells_has_words() -> None:
    told = {
        "state": [state.value for state in State],
        "power.state": [state.value for state in PowerState],
        "power.pressed": [button.value for button in PowerButton],
    }
    for section, values in told.items():
        there = [name.rpartition(".") for name in words("en")]
        assert sorted(name for prefix, _, name in there if prefix == section) == sorted(values)


def test_every_word_is_used() -> None:
    literal = found(r'"((?:[^"\\\n]|\\.)*)"')
    patterns = composed()
    unused = [
        name for name in words("en") if name not in literal and not any(each.fullmatch(name) for each in patterns)
    ]
    assert not unused, unused


def test_what_is_put_together_finds_a_word() -> None:
    for pattern in composed():
        assert any(pattern.fullmatch(name) for name in words("en")), pattern.pattern
