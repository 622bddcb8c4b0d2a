"""Tests that need a real kernel; they run in the guest of tests/lab."""

import pytest

# so that their assertions say what was compared
pytest.register_assert_rewrite("tests.kernel.daemon", "tests.kernel.host_input", "tests.kernel.typist")
