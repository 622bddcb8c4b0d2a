"""The machine's names and addresses, beside what iproute2 says."""

import json
import subprocess
from ipaddress import ip_address

import pytest

from kvmd.system import addresses as module
from kvmd.system.addresses import addresses, host_names
from tests.shadow import shadow


def test_addresses_are_those_that_ip_lists() -> None:
    shown = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout)
    listed = {ip_address(each["local"]) for link in shown for each in link["addr_info"]}
    assert ip_address("127.0.0.1") in listed
    assert set(addresses()) == {address for address in listed if not address.is_link_local}


@pytest.mark.parametrize(
    ("own", "names"),
    [
        ("kvm", ["kvm", "kvm.local", "localhost"]),
        ("Kvm-2.Example.ORG", ["kvm-2.example.org", "kvm-2.local", "localhost"]),
        ("localhost", ["localhost", "localhost.local"]),
        ("(none)", ["localhost"]),
        ("kvm büro", ["localhost"]),
        ("", ["localhost"]),
    ],
)
def test_names(own: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shadow(monkeypatch, module, "socket", gethostname=lambda: own)
    assert host_names() == names
