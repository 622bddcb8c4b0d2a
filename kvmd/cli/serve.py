"""``kvmd serve`` and ``kvmd demo``: the daemon."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from kvmd.access.credentials import USER, Credentials
from kvmd.cli.common import common_options, load_registry, read_settings, set_log_level, source_name
from kvmd.contract.settings import AuthSettings, CaptureSettings, HidSettings, PowerSettings, Settings, WebSettings
from kvmd.system import starting
from kvmd.system.ending import leave

DEMO = """\
a virtual computer, for trying things out: nothing but this machine can reach it

  page   http://127.0.0.1:{port}
         https://127.0.0.1:{tls_port} (the certificate is its own: the browser will ask)
  video  http://127.0.0.1:{video_port}/stream
  login  admin / admin (allowed here alone)

log in, press a key, save a picture of the screen:

  curl -s -c kvmd.cookies http://127.0.0.1:{port}/login_api -d '{{"username": "admin", "password": "admin"}}'
  curl -s -b kvmd.cookies http://127.0.0.1:{port}/keyboard -d '{{"keycodes": ["KeyA"]}}'
  curl -s -b kvmd.cookies http://127.0.0.1:{video_port}/snapshot -o snapshot.jpg

Ctrl+C ends it."""

WAYS_OUT = {
    "listen": "give another --port",
    "tls_listen": "give another --tls-port",
    "video_listen": "give another --video-port",
    "video_tls_listen": "",
}
"""Of the demo, whose addresses are not set in a file."""


@click.command()
@common_options
@click.pass_context
def serve(context: click.Context) -> None:
    """Run the daemon until SIGTERM or Ctrl+C."""
    starting.begin()
    set_log_level()
    from kvmd.daemon import run  # noqa: PLC0415  # the web server and the encoder are slow to import

    source = source_name(context)
    run(read_settings(context), load_registry(), source, lambda name: f"set web.{name} in {source}")
    leave()


@click.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Of the page and the API.")
@click.option(
    "--tls-port", default=8443, show_default=True, type=click.IntRange(1, 65535), help="Of the same with TLS."
)
@click.option("--video-port", default=8008, show_default=True, type=click.IntRange(1, 65535), help="Of the video.")
@common_options
def demo(port: int, tls_port: int, video_port: int) -> None:
    """Run with a virtual computer, reachable from this machine alone."""
    starting.begin()
    set_log_level()
    from kvmd.daemon import run  # noqa: PLC0415  # as in serve

    with tempfile.TemporaryDirectory(prefix="kvmd-demo-") as folder:
        settings = Settings(
            capture=CaptureSettings(driver="virtual"),
            hid=HidSettings(driver="virtual"),
            power=PowerSettings(driver="virtual"),
            web=WebSettings(
                listen=[f"127.0.0.1:{port}"],
                video_listen=[f"127.0.0.1:{video_port}"],
                tls_listen=[f"127.0.0.1:{tls_port}"],
                video_tls_listen=[],
            ),
            auth=AuthSettings(file=f"{folder}/auth.json"),
        )
        Credentials(Path(settings.auth.file)).set_password(USER, "admin")
        text = DEMO.format(port=port, tls_port=tls_port, video_port=video_port)
        run(settings, load_registry(), "demo", WAYS_OUT.__getitem__, lambda: click.echo(text))
    leave()
