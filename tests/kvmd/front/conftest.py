"""What tests of the front share: a small app on free ports, and connections on which bytes are sent as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import flask
import pytest

from kvmd.front.app import exchange_of
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.front.tls import Certificate
from tests.waiting import patience
from tests.wire import inet

MAX_BODY = 1000
KNOWN = "Bearer known"


def make_app() -> flask.Flask:
    """Answer with what was sent; whoever sends the right header is known."""
    app = flask.Flask("front")
    app.config |= {"asked": threading.Semaphore(0), "go": threading.Event(), "PROPAGATE_EXCEPTIONS": True}

    @app.before_request
    def know() -> None:
        exchange_of(flask.request.environ).known = flask.request.headers.get("Authorization") == KNOWN

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    def echo() -> flask.Response:
        return flask.jsonify(
            method=flask.request.method,
            path=flask.request.full_path,
            body=flask.request.get_data().decode("latin-1"),
            headers={name.lower(): value for name, value in flask.request.headers},
            secure=flask.request.is_secure,
            address=flask.request.remote_addr,
        )

    @app.get("/wait")
    def wait() -> str:
        app.config["asked"].release()
        assert app.config["go"].wait(patience())
        return "done"

    @app.get("/later")
    def later() -> flask.Response:
        async def answer() -> tuple[int, bytes]:
            app.config["asked"].release()
            await asyncio.sleep(float(flask_args["seconds"]))
            return 200, b"later"

        flask_args = flask.request.args
        exchange_of(flask.request.environ).later = answer
        return flask.Response(content_type="text/plain")

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("secret")

    @app.get("/large")
    def large() -> bytes:
        return bytes(int(flask.request.args["size"]))

    return app


Serve = Callable[..., tuple[str, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an app until the test ends; return where."""
    servers = []

    def start(
        app: flask.Flask,
        certificate: Certificate | None = None,
        address: str = "127.0.0.1:0",
        files: int | None = None,
    ) -> tuple[str, int]:
        knows = lambda environ: environ.get("HTTP_AUTHORIZATION") == KNOWN  # noqa: E731
        servers.append(Server([Site(app, [address], "", MAX_BODY, certificate, knows)], files))
        servers[-1].start()
        return inet(servers[-1].listeners[0].address)

    yield start
    for server in servers:
        server.stop()
        assert not server.is_alive()


@pytest.fixture
def where(serve: Serve) -> tuple[str, int]:
    """Where the small app is served."""
    return serve(make_app())
