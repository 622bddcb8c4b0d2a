"""Plug-ins and boards that cannot be used."""

from kvmd.contract.reports import Broken
from kvmd.doctor.checks import plugins
from tests.kvmd.doctor.conftest import Tree


def test_a_plugin_that_cannot_be_loaded(tree: Tree) -> None:
    [found] = tree.look(plugins, broken=[Broken("acme", "ImportError: no module named frobnicate")])
    assert (found.kind, "frobnicate" in found.what) == ("broken-plugin", True)


def test_a_board_that_is_none(tree: Tree) -> None:
    tree.write({"etc/kvmd/boards.d/acme.toml": 'name = "acme"\n'})
    [found] = tree.look(plugins)
    assert (found.kind, "acme.toml" in found.what) == ("broken-board", True)
