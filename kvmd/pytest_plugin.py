"""pytest's door to the conformance suite: ``pytest --pyargs kvmd.testing --driver NAME``.

pytest loads this wherever kvmd is installed, so it is small, and does nothing where the suite is not asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PACKAGE = "kvmd.testing"


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Add the suite's options, which other plug-ins of pytest may have under the same names."""
    if PACKAGE in args:
        from kvmd.testing import named  # noqa: PLC0415  # it is slow to import

        named.add_options(parser)
        early_config.pluginmanager.register(named, PACKAGE)
