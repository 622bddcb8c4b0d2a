"""The examination as a whole: its order, its exit code, and a check that fails itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kvmd.doctor import checks, examination
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Diagnosis, Finding, Kind, Severity
from tests.kvmd.doctor.conftest import Tree

FAULT = Kind("broken", Severity.FAULT, "{what} is broken", "why", "mend {what}")
WARNING = Kind("bent", Severity.WARNING, "{what} is bent", "why", "mend")
ALL = [kind for check in examination.CHECKS for kind in examination.kinds(check)]


def check(*found: Finding) -> ModuleType:
    module = ModuleType("x.made")
    vars(module)["look"] = lambda case: iter(found)  # noqa: ARG005  # what a check takes
    return module


def test_faults_come_first_and_decide_the_exit_code(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    bent, broken = WARNING.found(what="a pin"), FAULT.found(what="a cable {x}")
    monkeypatch.setattr(examination, "CHECKS", (check(bent), check(broken)))
    diagnosis = examination.examine(tree.case())
    assert diagnosis.findings == [broken, bent]
    assert (broken.what, broken.mend) == ("a cable {x} is broken", "mend a cable {x}")
    assert [Diagnosis(found, []).exit_code for found in ([], [bent], [bent, broken])] == [0, 1, 2]


def test_a_check_that_fails_takes_none_of_the_others_with_it(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(case: Case) -> Iterator[Finding]:
        yield WARNING.found(what="a pin")
        raise OSError(5, case.source)

    failing = check()
    vars(failing)["look"] = look
    monkeypatch.setattr(examination, "CHECKS", (failing, check(FAULT.found(what="it"))))
    diagnosis = examination.examine(tree.case())
    assert [each.kind for each in diagnosis.findings] == ["broken", "bent"]
    assert [each.what for each in diagnosis.unseen] == ["the rest of made"]


def test_every_file_of_checks_is_in_the_table() -> None:
    files = {path.stem for path in Path(checks.__path__[0]).glob("*.py")} - {"__init__"}
    assert {each.__name__.rpartition(".")[2] for each in examination.CHECKS} == files


def test_a_machine_of_which_nothing_is_known_fails_no_check(tree: Tree) -> None:
    assert not [each for each in examination.examine(tree.case()).unseen if "itself" in each.why]


def test_every_kind_has_a_name_of_its_own_and_says_what_to_do() -> None:
    assert len({kind.name for kind in ALL}) == len(ALL)
    for kind in ALL:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", kind.name)
        assert all((kind.what, kind.why, kind.mend)), kind.name
