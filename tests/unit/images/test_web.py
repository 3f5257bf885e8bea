"""Images from a web server, and what a server might send in their place."""

from __future__ import annotations

import io
import itertools
import threading

import numpy as np
import pytest
from PIL import Image
from weight_server import WeightServer

from condinst.images.web import image_name, is_url, read_url


def encoded(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.fixture
def server():
    with WeightServer(encoded()) as server:
        server.content_type = "image/png"
        yield server


@pytest.mark.parametrize("path", ["a.png", "moved/a.png", "moved/moved/a.png", "ä b.png?w=1"])
def test_the_bytes_are_those_of_the_server(server, path):
    assert read_url(server.url(path)) == server.content


@pytest.mark.parametrize(
    "place", ["file:///etc/hostname", "ftp://127.0.0.1/a.png", "data:image/png;base64,AAAA"]
)
def test_redirects_that_leave_the_web(server, place):
    server.moved_to = place
    with pytest.raises(OSError, match=f"^{server.url()}: .*[Rr]edirect.*{place}"):
        read_url(server.url())


@pytest.mark.parametrize(
    "url",
    ["file:///etc/hostname", "http://", "http://[::1", "http://127.0.0.1:port/a.png", "a.png"],
)
def test_what_is_no_url_of_the_web(url):
    with pytest.raises((ValueError, OSError)) as caught:
        read_url(url)
    assert str(caught.value).startswith(f"{url}: ")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("text/html; charset=utf-8", b"<html>", "the server sent a web page, expected an image"),
        ("application/pdf", b"%PDF", "the server sent application/pdf, expected an image"),
        ("image/png", b"no image at all", "the server sent 15 bytes that are no image"),
        ("image/png", b"", "the server sent 0 bytes that are no image"),
    ],
)
def test_what_is_no_image(server, kind, content, message):
    server.content_type, server.content = kind, content
    with pytest.raises(ValueError, match=f"^{server.url()}: {message}$"):
        read_url(server.url())


def test_an_image_with_too_many_pixels(server, monkeypatch):
    monkeypatch.setenv("CONDINST_MAX_PIXELS", "62")  # it has 63
    with pytest.raises(ValueError, match=f"^{server.url()}: has 63 pixels|{server.url()}: .*62"):
        read_url(server.url())


def test_too_large_with_and_without_a_length(server):
    for server.send_length in (True, False):
        with pytest.raises(ValueError, match="has more than 0 MB"):
            read_url(server.url(), max_bytes=len(server.content) - 1)
        assert read_url(server.url(), max_bytes=len(server.content)) == server.content


def test_a_cut_answer(server):
    server.cuts = [20]
    with pytest.raises(OSError, match=f"{server.url()}: .*(20 bytes arrived|connection broke)"):
        read_url(server.url())


def test_a_server_that_stops_sending(server):
    server.cuts, server.hold = [20], threading.Event()
    try:
        with pytest.raises(OSError, match=r"no answer within 0\.2 seconds"):
            read_url(server.url(), timeout=0.2)
    finally:
        server.hold.set()


def test_a_server_that_sends_too_slowly(server):
    ticks = itertools.count(step=11)
    with pytest.raises(OSError, match="not complete after 10 seconds"):
        read_url(server.url(), deadline=10, clock=lambda: next(ticks))


def test_an_error_of_the_server(server):
    server.answers = [404]
    with pytest.raises(OSError, match=f"^{server.url()}: the server answered 404 Not Found$"):
        read_url(server.url())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.org/b/street.jpg?size=3#x", "street.jpg"),
        ("https://a.org/b/..%2f..%2fetc%2fpasswd", "passwd"),
        ("https://a.org/b/..%5c..%5ca.png", ".._.._a.png"),
        ("https://a.org/..", "unnamed"),
        ("https://a.org/", "image"),
        ("https://a.org", "image"),
        ("https://a.org/sch%C3%B6n.png", "schön.png"),
        ("https://a.org/a%00b.png", "a_b.png"),
        ("http://[::1", "image"),
    ],
)
def test_names_are_safe(url, name):
    assert image_name(url) == name


def test_which_words_are_urls():
    assert is_url("https://a.org/b.jpg")
    assert is_url("HTTP://a.org/b.jpg")
    assert not any(map(is_url, ["ftp://a.org/b.jpg", "s3://a/b.jpg", "http.jpg", "https:/a.jpg"]))
