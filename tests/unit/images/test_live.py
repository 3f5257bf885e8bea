"""Which words are cameras and streams, and a stream of JPEG images over HTTP."""

from __future__ import annotations

import http.server
import io
import threading

import numpy as np
import pytest
from PIL import Image

from condinst.images.live import LiveStream, is_live

VALUES = (40, 120, 200)


@pytest.mark.parametrize(
    ("word", "live"),
    [
        ("0", True),
        ("12", True),
        ("0000000", False),
        ("rtsp://user:secret@camera/live", True),
        ("http://camera/video.mjpg?size=1", True),
        ("http://camera/image.jpg", False),
        ("file:///etc/passwd.mjpg", False),
        ("image.jpg", False),
        ("-1", False),
    ],
)
def test_what_is_a_stream(word, live):
    assert is_live(word) == live


class _Camera(http.server.BaseHTTPRequestHandler):
    """Sends three gray images and closes the connection."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for value in VALUES:
            buffer = io.BytesIO()
            Image.fromarray(np.full((48, 64, 3), value, np.uint8)).save(buffer, "JPEG")
            data = buffer.getvalue()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
        self.wfile.write(b"--frame--\r\n")

    def log_message(self, *words):
        pass


@pytest.fixture
def camera():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Camera) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_frames_of_a_stream(camera):
    with LiveStream(f"http://{camera}/live/front.mjpg") as stream:
        assert stream.name == "127.0.0.1/live/front.mjpg"
        frames = list(stream)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert [round(float(frame.mean())) for frame in frames] == pytest.approx(VALUES, abs=3)


def test_frames_that_are_too_large(camera, monkeypatch):
    monkeypatch.setenv("CONDINST_MAX_PIXELS", "100")
    with pytest.raises(ValueError, match="stream 127.0.0.1/a.mjpg: has 64 x 48 = 3,072 pixels"):
        LiveStream(f"http://{camera}/a.mjpg")


def test_a_password_is_not_repeated():
    with pytest.raises(ValueError, match="^stream 127.0.0.1/live: OpenCV reads no frame there$"):
        LiveStream("rtsp://user:secret@127.0.0.1:9/live")


def test_a_camera_that_is_not_there():
    with pytest.raises(ValueError, match="camera 87: OpenCV reads no frame there"):
        LiveStream("87")
