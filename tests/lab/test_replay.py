"""How tests are shared out over guests; that guests work is seen by every kernel test."""

import pytest

from tests.lab.replay import share_out

TESTS = [f"tests/kernel/test_{module}.py::test_{number}" for module in "abc" for number in range(3)]


@pytest.mark.parametrize(("guests", "sizes"), [(1, [9]), (2, [6, 3]), (3, [3, 3, 3]), (8, [3, 3, 3])])
def test_modules_stay_whole_and_in_order(guests, sizes):
    shares = share_out(TESTS, guests)
    assert [len(share) for share in shares] == sizes
    assert sorted(test for share in shares for test in share) == TESTS
    for share in shares:
        assert share == sorted(share)
        modules = [test.partition("::")[0] for test in share]
        assert all(modules.count(module) == 3 for module in modules)


def test_the_largest_modules_are_on_different_guests():
    tests = ["a::1", "b::1", "b::2", "c::1", "c::2"]
    assert share_out(tests, 2) == [["a::1", "b::1", "b::2"], ["c::1", "c::2"]]
