"""Real proxies, each in a process of its own, with the lines of docs/proxies.md or the forwarding line alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kvmd.access.certificate import ensure
from tests.ports import free_ports
from tests.waiting import eventually, patience

HOST = "127.0.0.1"
PAGE = Path(__file__).parents[1] / "docs" / "proxies.md"
BEHIND = "127.0.0.1:8080"
"""Where the page says that kvmd is."""

BARE = {
    "nginx": f"location / {{ proxy_pass http://{BEHIND}; }}",
    "caddy": f"kvm.example {{\n reverse_proxy {BEHIND}\n}}",
    "haproxy": f"frontend kvm\n bind :443 ssl crt /etc/haproxy/kvm.pem\n default_backend kvmd\n"
    f"backend kvmd\n server kvmd {BEHIND}\n",
}
"""Nothing but what forwards."""

NGINX = """
daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/pid; {user}
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/kept;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}{more}; listen 127.0.0.1:{tls_port} ssl{more};
    ssl_certificate {pem}; ssl_certificate_key {pem};
    {lines}
  }}
}}
"""
HAPROXY = """
global
  {more}
defaults
  mode http
  timeout connect 1m
  timeout client 1m
  timeout server 1m
{lines}
"""


@dataclass
class Proxy:
    """A proxy that runs.

    :param port: of http
    :param tls_port: of https
    :param folder: where it keeps what it buffers
    """

    port: int
    tls_port: int
    folder: Path


def documented(name: str, number: int = 0) -> str:
    """Return the lines that the page has for a proxy: the first ones, or those for a folder."""
    return str(re.findall(rf"```{name}\n(.*?)```", PAGE.read_text(), re.DOTALL)[number])


@contextmanager
def proxy(name: str, lines: str, behind: str, folder: Path, more: str = "") -> Iterator[Proxy]:
    """Run a proxy before kvmd.

    :param lines: of its configuration
    :param behind: where kvmd listens, as the proxy names it
    :param more: for nginx's ``listen``, or HAProxy's ``global``
    """
    port, tls_port = free_ports(2)
    pem = ensure(folder)[0]
    lines = lines.replace(f"http://{BEHIND}", behind if "://" in behind else f"http://{behind}").replace(BEHIND, behind)
    places = {"folder": folder, "pem": pem, "port": port, "tls_port": tls_port, "lines": lines}
    command = {"nginx": _nginx, "caddy": _caddy, "haproxy": _haproxy}[name](folder, places, more)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **home})
    try:
        eventually(lambda: _answers(process, port, folder) and _answers(process, tls_port, folder), name)
        yield Proxy(port, tls_port, folder)
    finally:
        process.terminate()
        process.wait(patience())


def _answers(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text()
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection((HOST, port), patience()):
        return True
    return False


def _nginx(folder: Path, places: dict[str, object], more: str) -> list[str]:
    user = "user root;" if os.geteuid() == 0 else ""  # what it keeps is in a folder of ours
    (folder / "nginx.conf").write_text(NGINX.format(**places, user=user, more=f" {more}" if more else ""))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


def _caddy(folder: Path, places: dict[str, object], _: str) -> list[str]:
    head, _, body = str(places["lines"]).partition("{")
    assert head == "kvm.example "
    pem = places["pem"]
    text = (
        "{\n admin off\n auto_https off\n}\n"
        f"http://:{places['port']} {{{body}\nhttps://:{places['tls_port']} {{\ntls {pem} {pem}\n{body}\n"
    )
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _haproxy(folder: Path, places: dict[str, object], more: str) -> list[str]:
    bind = f"bind {HOST}:{places['port']}\n bind {HOST}:{places['tls_port']} ssl crt {places['pem']}"
    lines = str(places["lines"])
    assert "bind :443 ssl crt /etc/haproxy/kvm.pem" in lines
    text = HAPROXY.format(more=more, lines=lines.replace("bind :443 ssl crt /etc/haproxy/kvm.pem", bind))
    (folder / "haproxy.cfg").write_text(text)
    return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", str(folder / "haproxy.cfg"), "-db"]
