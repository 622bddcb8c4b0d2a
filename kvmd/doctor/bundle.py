"""A bug report: texts about this machine in one packed file, without secrets."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from kvmd.doctor.redaction import Redaction

LONGEST = 2_000_000
"""Characters of a text; of one that is longer, the newest part is kept."""

README = """\
What `kvmd report` has put together about a machine, for a bug report.

Taken out, wherever they stood: passwords and their hashes, API keys and their hashes, tokens, secrets of one-time
codes, private keys, what is declared a secret in settings; IP addresses that everybody can reach, each in favour of a
number; the half of MAC addresses that tells one device from another.

Left in: names of users and of this machine, addresses of its own network, names and serial numbers of devices, what was
logged of who logged in when. Read it before you publish it; whatever you delete, say so.

In it:
"""


def pack(name: str, texts: Mapping[str, tuple[str, str]], redaction: Redaction) -> bytes:
    """Pack texts into a tar file, with one that explains them.

    :param name: the folder in it
    :param texts: by the names of their files: what each is, for people, and the text
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        index = "".join(f"{file}: {what}\n" for file, (what, _) in texts.items())
        _add(archive, f"{name}/README.txt", README + index)
        for file, (_, text) in texts.items():
            _add(archive, f"{name}/{file}", redaction.clean(text)[-LONGEST:])
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="replace")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))
