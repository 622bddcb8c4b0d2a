"""The conformance suite: what the daemon relies on, checked on any driver. It needs pytest; docs/testing.md shows how.

``pytest --pyargs kvmd.testing --driver NAME`` runs it on an installed driver; a test of one's own can tell it more::

    from kvmd.testing import CaptureConformance

    class TestAcme(CaptureConformance):
        @pytest.fixture
        def driver(self):
            return AcmeCapture(AcmeCapture.Options(), None)
"""

import pytest

pytest.register_assert_rewrite("kvmd.testing.capture", "kvmd.testing.driver", "kvmd.testing.hid", "kvmd.testing.power")

from kvmd.testing.capture import CaptureConformance  # noqa: E402  # only now are its assertions rewritten
from kvmd.testing.hid import HidConformance  # noqa: E402
from kvmd.testing.power import PowerConformance  # noqa: E402

__all__ = ["CaptureConformance", "HidConformance", "PowerConformance"]
