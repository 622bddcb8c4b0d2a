"""The examples of the documentation, as they stand there, but for the address and what is secret."""

import re
from pathlib import Path

import pytest

from tests.conftest import HOST, PASSWORD, Daemon
from tests.kvmd.client.test_client import typed
from tests.kvmd.client.test_connection import fingerprint, port_of
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["README.md", "docs/client.md"])
def test_the_example_works(secure: Daemon, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = re.findall(r"```python\n(from pathlib.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 5
    for name, value in (("PASSWORD", PASSWORD), ("FINGERPRINT", fingerprint(secure))):
        assert name in example
        example = example.replace(name, value)
    example = re.sub(r"https://[a-z.]+", f"https://{HOST}:{port_of(secure)}", example)
    monkeypatch.chdir(tmp_path)
    eventually(lambda: secure.kvm.input.slot.is_online and secure.kvm.video.slot.is_online, "the virtual computer")
    exec(compile(example, page, "exec"), {})
    assert (tmp_path / "screen.jpg").read_bytes().startswith(b"\xff\xd8")
    assert typed(secure)[-1] == "Ctrl+Alt+Delete"
