"""Secrets are taken out of texts, and little else is."""

import pytest

from kvmd.doctor.redaction import Redaction

HEX = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("login with hunter2 failed", "login with (hidden) failed"),
        ("password: abra", "password: (hidden)"),
        ('{"password": "abra cadabra", "user": "ann"}', '{"password": "(hidden)", "user": "ann"}'),
        (r'"secret": "ab\"ra", 1', '"secret": "(hidden)", 1'),
        ("GET /stream?token=abra&fps=3", "GET /stream?token=(hidden)&fps=3"),
        ("api_key=abra;x", "api_key=(hidden);x"),
        ('tokens = ["abra", "cadabra"]', "tokens = (hidden)"),
        ("Authorization: Bearer abra.cadabra", "Authorization: (hidden)"),
        ("sent Bearer abra.cadabra", "sent Bearer (hidden)"),
        ("Cookie: a=b; c=d", "Cookie: (hidden)"),
        ("kvmd_token_1f2e=abra; x", "(hidden); x"),
        (f"key kvmd_{HEX} made", "key (hidden) made"),
        ("hash $argon2id$v=19$m=65536,t=3,p=4$abc$def.", "hash (hidden)"),
        ("rtsp://ann:abra@camera/1", "rtsp://(hidden)@camera/1"),
        ("otpauth://totp/kvmd:ann?secret=JBSW", "(hidden)"),
        ("-----BEGIN EC PRIVATE KEY-----\nab\n-----END EC PRIVATE KEY-----\nx", "(hidden)\nx"),
        ("-----BEGIN PRIVATE KEY-----\ncut", "(hidden)"),
        ("8.8.8.8:443, 9.9.9.9, 8.8.8.8: x", "(address 1):443, (address 2), (address 1): x"),
        ("[2001:4860:4860::8888]:443 and ::ffff:8.8.8.8.", "[(address 1)]:443 and ::ffff:(address 2)."),
        ("02:11:22:33:44:55", "02:11:22:xx:xx:xx"),
    ],
)
def test_what_is_taken_out(text: str, clean: str) -> None:
    assert Redaction(["hunter2", "hunter"]).clean(text) == clean


def test_a_secret_is_found_in_json_too() -> None:
    assert Redaction([]).clean(rf"said\nkvmd_{HEX}\nBearer abra") == r"said\n(hidden)\nBearer (hidden)"
    assert (
        Redaction(['open "sesame"']).clean(r'{"message": "said open \"sesame\" twice"}')
        == '{"message": "said (hidden) twice"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T18:55:11+00:00 kvmd[12]: audit: 'ann' from 192.168.1.5: logged in",
        "auth.token_lifetime = 86400.0  # default",
        "listening on http://[::]:80 and 127.0.0.1:8080",
        "usb 1-1.2:1.0: new device, kernel 6.12.48, numpy 1.26.4",
        "made a password for admin; it stands in /var/lib/kvmd/first-password",
        "fe80::1%eth0",
    ],
)
def test_what_stays(text: str) -> None:
    assert Redaction(["no", ""]).clean(text) == text


def test_long_texts_of_odd_characters_are_no_trap() -> None:
    clean = Redaction([]).clean
    assert len(clean('password="' + "\\" * 10_000) + clean("a:" * 10_000) + clean("1." * 10_000)) > 20_000
