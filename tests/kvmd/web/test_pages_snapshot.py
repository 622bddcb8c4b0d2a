"""A page can put a screenshot into a file and on the clipboard, with what /snapshot sends."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright import sync_api as playwright

from tests.conftest import HOST, Daemon

TO_CLIPBOARD = """async () => {
    const answer = await fetch("snapshot");
    const picture = await createImageBitmap(await answer.blob());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const png = await canvas.convertToBlob({type: "image/png"});
    await navigator.clipboard.write([new ClipboardItem({"image/png": png})]);
    const [item] = await navigator.clipboard.read();
    const there = await createImageBitmap(await item.getType("image/png"));
    return {status: answer.status, type: answer.headers.get("Content-Type"), size: [there.width, there.height]};
}"""
TO_FILE = """() => {
    const link = Object.assign(document.createElement("a"), {href: "snapshot", download: "screen.jpg"});
    document.body.append(link);
    link.click();
    link.remove();
}"""


def test_a_screenshot_goes_to_the_clipboard(daemon: Daemon, console: playwright.Page) -> None:
    """As PNG, which is all that clipboards take of pictures (W3C Clipboard API, "mandatory data types")."""
    console.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=f"http://{HOST}:{daemon.port}")
    assert console.evaluate(TO_CLIPBOARD) == {"status": 200, "type": "image/jpeg", "size": [1280, 720]}


def test_a_screenshot_goes_to_a_file(console: playwright.Page, tmp_path: Path) -> None:
    with console.expect_download() as waiting:
        console.evaluate(TO_FILE)
    waiting.value.save_as(tmp_path / "screen.jpg")
    assert waiting.value.suggested_filename == "screen.jpg"
    with Image.open(io.BytesIO((tmp_path / "screen.jpg").read_bytes())) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1280, 720))
