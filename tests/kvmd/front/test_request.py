"""What is taken for a request, over real sockets: by the letter of RFC 9112, so that no two programs differ."""

from __future__ import annotations

import json
import time

import pytest

from kvmd.front.answer import SECURITY
from kvmd.front.request import MAX_HEAD
from tests.kvmd.front.conftest import MAX_BODY
from tests.wire import Read, Wire, request

NEXT = b"GET /echo?smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

Where = tuple[str, int]


def check_refusal(answer: Read, code: int) -> str:
    got, headers, body = answer
    assert got == code, body
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    assert {name: headers.get(name.lower()) for name in SECURITY} == SECURITY
    assert "server" not in headers
    told = json.loads(body)
    assert (told["status"], told["data"]) == (0, [])
    return str(told["info"])


GET = "GET /echo HTTP/1.1\r\nHost: h\r\n"
POST = "POST /echo HTTP/1.1\r\nHost: h\r\n"

MALFORMED = {
    "two lengths": f"{POST}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{{}}",
    "the same length twice": f"{POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}",
    "a list of lengths": f"{POST}Content-Length: 2, 2\r\n\r\n{{}}",
    "length and chunks": f"{POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "a signed length": f"{POST}Content-Length: +2\r\n\r\n{{}}",
    "a negative length": f"{POST}Content-Length: -5\r\n\r\n{{}}",
    "a length with an underscore": f"{POST}Content-Length: 1_0\r\n\r\n{{}}12345678",
    "a length in hexadecimal": f"{POST}Content-Length: 0x2\r\n\r\n{{}}",
    "no length": f"{POST}Content-Length:\r\n\r\n",
    "a space before the colon": f"{POST}Content-Length : 2\r\n\r\n{{}}",
    "a folded header": f"{POST}X: a\r\n b\r\nContent-Length: 2\r\n\r\n{{}}",
    "a folded framing": f"{POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare CR in a header": f"{POST}X: a\rb\r\nContent-Length: 2\r\n\r\n{{}}",
    "a bare LF in a header": f"{POST}X: a\nContent-Length: 2\r\n\r\n{{}}",
    "bare LFs alone": "GET /echo HTTP/1.1\nHost: h\n\n",
    "a NUL in a header": f"{POST}X: a\0b\r\nContent-Length: 2\r\n\r\n{{}}",
    "a header without a name": f"{GET}: x\r\n\r\n",
    "a header without a colon": f"{GET}nonsense\r\n\r\n",
    "a space in a header's name": f"{GET}X Y: z\r\n\r\n",
    "no host": "GET /echo HTTP/1.1\r\n\r\n",
    "two hosts": f"{GET}Host: h\r\n\r\n",
    "two hosts in HTTP/1.0": "GET /echo HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n",
    "an empty host": "GET /echo HTTP/1.1\r\nHost:\r\n\r\n",
    "a host that is none": "GET /echo HTTP/1.1\r\nHost: h/evil\r\n\r\n",
    "a host with a user": "GET /echo HTTP/1.1\r\nHost: a@h\r\n\r\n",
    "half an address": "GET /echo HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "chunks in HTTP/1.0": "POST /echo HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an absolute target": "GET http://h/echo HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target with two slashes": "GET //echo HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target without a slash": "GET echo HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target with a fragment": "GET /echo#x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a star": "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "a tunnel": "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a space in the target": "GET /echo a HTTP/1.1\r\nHost: h\r\n\r\n",
    "no version": "GET /echo\r\nHost: h\r\n\r\n",
    "a version in small letters": "GET /echo http/1.1\r\nHost: h\r\n\r\n",
    "a method that is none": "G@T /echo HTTP/1.1\r\nHost: h\r\n\r\n",
    "two empty lines before": "\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
}
CHUNKS = {
    "a negative size": "-1\r\n{}\r\n0\r\n\r\n",
    "a size with 0x": "0x2\r\n{}\r\n0\r\n\r\n",
    "a signed size": "+2\r\n{}\r\n0\r\n\r\n",
    "a size with an underscore": "1_0\r\n{}12345678901234\r\n0\r\n\r\n",
    "a size with a space before": " 2\r\n{}\r\n0\r\n\r\n",
    "no size": "\r\n{}\r\n0\r\n\r\n",
    "a size that is none": "x\r\n",
    "more than the size": "2\r\n{}x\r\n0\r\n\r\n",
    "an end that is none": "2\r\n{}XX0\r\n\r\n",
    "a bare LF after the size": "2\n{}\r\n0\r\n\r\n",
    "a bare LF after the last": "0\r\n\n" + NEXT.decode(),
    "bare LFs around a trailer": "0\r\nX: a\n\n" + NEXT.decode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_and_the_connection_ends(where: Where, name: str) -> None:
    with Wire(where) as wire:
        wire.send(MALFORMED[name].encode("latin-1") + NEXT)
        assert check_refusal(wire.answer(), 400).startswith("malformed HTTP: ")
        assert wire.ended(), "what follows it is no request"


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_that_are_malformed_are_refused(where: Where, name: str) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", "Transfer-Encoding: chunked", body=CHUNKS[name].encode() + NEXT))
        assert check_refusal(wire.answer(), 400).startswith("malformed HTTP: ")
        assert wire.ended()


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked\t,"])
def test_other_transfer_codings_are_refused(where: Where, coding: str) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", f"Transfer-Encoding: {coding}", body=b"0\r\n\r\n" + NEXT))
        assert wire.answer()[0] in {400, 501}
        assert wire.ended()


def test_a_trailer_is_no_request_and_no_header(where: Where) -> None:
    with Wire(where) as wire:
        trailer = b"0\r\nAuthorization: x\r\n\r\n"
        wire.send(request("POST", "/echo", "Transfer-Encoding: chunked", body=b"2;a=b\r\n{}\r\n" + trailer) + NEXT)
        code, _, body = wire.answer()
        assert (code, json.loads(body)["body"]) == (200, "{}")
        assert not {"authorization", "transfer-encoding"} & json.loads(body)["headers"].keys()
        assert json.loads(wire.answer()[2])["path"] == "/echo?smuggled"


def test_requests_in_one_go_are_answered_in_their_order(where: Where) -> None:
    with Wire(where) as wire:
        for number in range(20):
            wire.send(request("POST", f"/echo?{number}", "Content-Length: 1", body=b"%d" % (number % 10)))
        for number in range(20):
            told = json.loads(wire.answer()[2])
            assert (told["path"], told["body"]) == (f"/echo?{number}", str(number % 10))


def test_requests_may_come_byte_by_byte(where: Where) -> None:
    with Wire(where) as wire:
        sent = request("POST", "/echo", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n") * 2
        for byte in sent:
            wire.send(bytes([byte]))
            time.sleep(0.0005)
        for _ in range(2):
            assert json.loads(wire.answer()[2])["body"] == "{}"


def test_a_last_request_is_answered_to_one_who_says_that_it_is_the_last(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("GET", "/echo") * 2)
        wire.sock.shutdown(1)
        assert [wire.answer()[0] for _ in range(2)] == [200, 200]
        assert wire.ended()


@pytest.mark.parametrize(
    ("version", "header"), [("1.0", "X: y"), ("1.0", "Connection: keep-alive"), ("1.1", "Connection: Close")]
)
def test_a_connection_ends_where_it_is_to(where: Where, version: str, header: str) -> None:
    with Wire(where) as wire:
        wire.send(request("GET", "/echo", header, version=version))
        assert wire.answer()[1]["connection"] == "close"
        assert wire.ended()


def test_versions_that_are_not_spoken(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("GET", "/echo", version="2.0"))
        check_refusal(wire.answer(), 505)


def test_headers_that_others_could_stand_for_are_left_out(where: Where) -> None:
    """A server between may trust X-Forwarded-For, and let X_Forwarded_For pass; WSGI has one name for both."""
    with Wire(where) as wire:
        wire.send(request("GET", "/echo", "X_Forwarded_For: evil", "X-A: 1", "X-A: 2", "Cookie: a=b", "Cookie: c=d"))
        told = json.loads(wire.answer()[2])["headers"]
        assert "x-forwarded-for" not in told
        assert (told["x-a"], told["cookie"]) == ("1,2", "a=b; c=d")


@pytest.mark.parametrize("body", [b"x" * (MAX_BODY + 1), b""])
def test_a_body_that_is_too_large_is_refused_at_once(where: Where, body: bytes) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", f"Content-Length: {MAX_BODY + 1}", body=body))
        assert check_refusal(wire.answer(), 413) == f"the body is larger than {MAX_BODY} bytes"
        assert wire.ended()


def test_chunks_that_are_too_many_are_refused(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", "Transfer-Encoding: chunked", body=b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx"))
        check_refusal(wire.answer(), 413)


def test_the_largest_body(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", f"Content-Length: {MAX_BODY}", body=b"x" * MAX_BODY))
        assert json.loads(wire.answer()[2])["body"] == "x" * MAX_BODY


@pytest.mark.parametrize("head", [b"GET /echo HTTP/1.1\r\nHost: h\r\nX: " + b"x" * MAX_HEAD, b"G" * (MAX_HEAD + 1)])
def test_headers_that_are_too_large_are_refused(where: Where, head: bytes) -> None:
    with Wire(where) as wire:
        wire.send(head)
        check_refusal(wire.answer(), 431)


def test_who_asks_whether_to_send_is_told_to(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 2"))
        assert wire.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert wire.file.readline() == b"\r\n"
        wire.send(b"{}")
        assert json.loads(wire.answer()[2])["body"] == "{}"


def test_who_asks_whether_to_send_too_much_is_told_not_to(where: Where) -> None:
    with Wire(where) as wire:
        wire.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 99999"))
        check_refusal(wire.answer(), 413)
