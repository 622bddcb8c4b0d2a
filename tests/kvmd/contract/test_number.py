"""The number of the contract goes up with the contract."""

from tests.contract import WRITTEN, shape


def test_the_contract_is_that_of_its_number() -> None:
    way_out = "the contract has changed: raise CONTRACT, if it was released, and run `python -m tests.contract`"
    assert shape() == WRITTEN.read_text(), way_out
