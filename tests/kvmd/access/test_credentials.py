"""The file with users and API keys, changed by several processes at once."""

import subprocess
import sys
from pathlib import Path

from kvmd.access.credentials import Credentials


def test_changes_by_several_processes_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    code = (
        "import sys; from pathlib import Path; from kvmd.access.credentials import Credentials\n"
        "credentials = Credentials(Path(sys.argv[1]))\n"
        "for number in range(20): credentials.add_key(f'{sys.argv[2]}-{number}')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, path, str(each)]) for each in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(Credentials(path).read().keys) == 80
