"""Downloads from a real server that cuts connections, lies, moves or has gone."""

import errno
import hashlib
import io
import json
import re
import socket
from functools import partial

import pytest
from hub_server import HubServer

from condinst.model_zoo import download as module

download = partial(module.download, pause=0.001, timeout=10)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "file.pth"


def leave_part(server, target, size):
    """A download that broke off for good after ``size`` bytes."""
    server.cuts = [size]
    with pytest.raises(OSError, match=f"given up after 1 attempts.*{size} bytes are kept"):
        download(server.url(), target, attempts=1)
    assert target.with_name("file.pth.part").read_bytes() == server.content[:size]
    assert not target.exists()


def assert_whole(server, target):
    assert target.read_bytes() == server.content
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


@pytest.mark.parametrize("digits", [8, 64])
def test_file_and_checksum(server, target, digits):
    checksum = hashlib.sha256(server.content).hexdigest()[:digits]
    download(server.url(), target, checksum=checksum)
    assert_whole(server, target)
    assert server.ranges_asked() == [None]


def test_redirects_are_followed_with_the_range(server, target):
    download(server.url("moved/file.pth"), target)
    assert_whole(server, target)
    target.unlink()
    server.cuts = [300_000]
    server.requests.clear()
    download(server.url("moved/moved/file.pth"), target)
    assert_whole(server, target)
    last = [(path, headers.get("Range")) for path, headers in server.requests][-1]
    assert last == ("/file.pth", "bytes=300000-")


def test_cut_connections_are_gone_on_with(server, target):
    server.cuts = [300_000, 0, 400_000]
    download(server.url(), target)
    assert_whole(server, target)
    expected = [None, "bytes=300000-", "bytes=300000-", "bytes=700000-"]
    assert server.ranges_asked() == expected


def test_connections_that_bring_something_do_not_count_as_failures(server, target):
    server.cuts = [100_000] * 9
    download(server.url(), target, attempts=2)
    assert_whole(server, target)


def test_a_later_call_goes_on_where_an_earlier_one_stopped(server, target):
    leave_part(server, target, 600_000)
    download(server.url(), target)
    assert_whole(server, target)
    assert server.ranges_asked() == [None, "bytes=600000-"]


def test_resuming_by_date(server, target):
    server.etag, server.last_modified = 'W/"weak"', "Wed, 25 Nov 2026 05:00:00 GMT"
    leave_part(server, target, 600_000)
    download(server.url(), target)
    assert_whole(server, target)
    assert server.requests[1][1]["If-Range"] == server.last_modified
    assert server.ranges_asked()[1] == "bytes=600000-"


def test_a_file_without_a_version_is_begun_anew(server, target):
    server.etag = None
    leave_part(server, target, 600_000)
    download(server.url(), target)
    assert_whole(server, target)
    assert server.ranges_asked() == [None, None]


def test_a_server_without_ranges_begins_anew(server, target):
    server.ranges = False
    leave_part(server, target, 600_000)
    download(server.url(), target)
    assert_whole(server, target)
    assert server.ranges_asked() == [None, "bytes=600000-"]


def test_a_server_without_ranges_that_always_cuts_is_given_up(server, target):
    server.ranges = False
    server.cuts = [500_000] * 10
    with pytest.raises(OSError, match=r"given up after 3 .*500000 bytes arrived, expected 1000000"):
        download(server.url(), target, attempts=3)
    assert len(server.requests) == 3
    assert not target.exists()


def test_a_file_that_has_changed_is_begun_anew(server, target):
    leave_part(server, target, 600_000)
    server.content, server.etag = server.content[::-1], '"two"'
    download(server.url(), target)
    assert_whole(server, target)


def test_a_part_of_another_url_is_not_gone_on_with(server, target):
    leave_part(server, target, 600_000)
    download(server.url("other.pth"), target)
    assert_whole(server, target)
    assert server.ranges_asked() == [None, None]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}'])
def test_a_part_with_a_damaged_note_is_not_gone_on_with(server, target, note):
    leave_part(server, target, 600_000)
    target.with_name("file.pth.part.json").write_text(note)
    download(server.url(), target)
    assert_whole(server, target)


@pytest.mark.parametrize("size", [1_000_000, 1_500_000])
def test_a_part_that_is_as_long_as_the_file_or_longer(server, target, size):
    target.with_name("file.pth.part").write_bytes(bytes(size))
    note = json.dumps({"url": server.url(), "version": server.etag})
    target.with_name("file.pth.part.json").write_text(note)
    download(server.url(), target)
    assert_whole(server, target)
    assert server.ranges_asked() == [f"bytes={size}-", None]


def test_a_rest_of_a_file_of_unknown_length(server, target):
    leave_part(server, target, 600_000)
    server.tell_total = False
    download(server.url(), target)
    assert_whole(server, target)


def test_a_rest_that_begins_elsewhere_is_refused(server, target, monkeypatch):
    leave_part(server, target, 600_000)
    server.tell_total = False
    monkeypatch.setattr(server, "_start", lambda handler: handler.headers.get("Range") and 5)
    download(server.url(), target)
    assert_whole(server, target)


def test_a_wrong_length_names_what_was_expected(server, target):
    server.extra_length = 5
    with pytest.raises(OSError, match=r"1000000 bytes arrived, expected 1000005"):
        download(server.url(), target, attempts=2)
    assert not target.exists()


def test_without_a_length_the_checksum_decides(server, target):
    server.send_length = False
    checksum = hashlib.sha256(server.content).hexdigest()
    server.cuts = [10]
    with pytest.raises(ValueError, match="sha256 begins with"):
        download(server.url(), target, checksum=checksum)
    assert not target.exists()
    download(server.url(), target, checksum=checksum)
    assert_whole(server, target)


def test_a_wrong_checksum_names_file_expected_and_got(server, target):
    found = hashlib.sha256(server.content).hexdigest()[:8]
    expected = rf"{target}\.part \(from {server.url()}\): sha256 .* {found}, expected 01234567"
    with pytest.raises(ValueError, match=expected):
        download(server.url(), target, checksum="01234567")
    assert list(target.parent.glob("file*")) == []


def test_the_checksum_in_a_redirect_of_the_hub_is_checked(target):
    with HubServer() as hub:
        hub.files["someone/models", "main", "a.pth"] = b"weights"
        url = f"{hub.url}/someone/models/resolve/main/a.pth"
        hub.damaged = True
        expected = hashlib.sha256(b"weights").hexdigest()
        with pytest.raises(ValueError, match=f"sha256 begins with .*, expected {expected}"):
            download(url, target)
        assert list(target.parent.glob("file*")) == []
        hub.damaged = False
        download(url, target)
        assert target.read_bytes() == b"weights"
        with pytest.raises(ValueError, match="expected 01234567"):  # that of the caller counts
            download(url, target.with_name("b.pth"), checksum="01234567")


def test_what_was_there_stays_until_the_new_is_whole(server, target):
    target.write_bytes(b"old")
    server.cuts = [10] * 9
    server.ranges = False
    with pytest.raises(OSError, match="given up"):
        download(server.url(), target, attempts=2)
    assert target.read_bytes() == b"old"
    server.cuts = []
    download(server.url(), target)
    assert_whole(server, target)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_an_answer_that_stays_is_not_asked_for_again(server, target, status):
    server.answers = [status] * 9
    with pytest.raises(OSError, match=f"{server.url()}: the server answered {status}"):
        download(server.url(), target)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [503, 429])
def test_an_answer_that_passes_is_asked_for_again(server, target, status):
    server.answers = [status, status]
    download(server.url(), target)
    assert_whole(server, target)


def test_a_web_page_is_no_weights(server, target):
    server.content, server.content_type = b"<html>closed</html>", "text/html; charset=utf-8"
    with pytest.raises(ValueError, match="web page"):
        download(server.url(), target)
    assert list(target.parent.glob("file*")) == []


def test_an_empty_file_is_no_weights(server, target):
    server.content = b""
    with pytest.raises(ValueError, match="empty file"):
        download(server.url(), target)
    assert list(target.parent.glob("file*")) == []


def test_nobody_listens(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=r"given up after 2 attempts: no answer \(.*refused"):
        download(f"http://127.0.0.1:{port}/file.pth", target, attempts=2)


def test_a_server_that_falls_silent(target):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.pth"
        with pytest.raises(OSError, match="given up after 1 attempts: no answer .*timed out"):
            download(url, target, attempts=1, timeout=0.2)


def test_a_host_that_does_not_exist(target):
    with pytest.raises(OSError, match="cannot be reached"):
        download("http://nobody.invalid/file.pth", target)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://host/file", "file.pth"])
def test_other_schemes_are_refused(target, url):
    with pytest.raises(ValueError, match="expected a URL of http or https"):
        download(url, target)


def test_no_room_is_noticed_before_anything_is_written(server, target, monkeypatch):
    usage = module.shutil.disk_usage(target.parent)._replace(free=999_999)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=rf"{target}: the disk is full: 1.0 MB more .*CONDINST_HOME"):
        download(server.url(), target)
    assert not target.exists()


def test_a_disk_that_fills_up_meanwhile(server, target, monkeypatch):
    """A file that takes 300,000 bytes and then says what a full disk says."""
    real_open = module.Path.open

    class Full(io.FileIO):
        def write(self, block):
            if self.tell() > 300_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(block)

    def open_small(self, mode="r", *args, **kwargs):
        return Full(self, "a") if mode == "ab" else real_open(self, mode, *args, **kwargs)

    monkeypatch.setattr(module.Path, "open", open_small)
    with pytest.raises(OSError, match=rf"{target}: the disk is full"):
        download(server.url(), target)
    assert not target.exists()
    assert len(server.requests) == 1
    monkeypatch.undo()
    download(server.url(), target)
    assert_whole(server, target)
    assert re.fullmatch(r"bytes=[1-9]\d+-", server.ranges_asked()[-1])


def test_progress_elsewhere_is_one_plain_line(server, target, capsys):
    download(server.url(), target)
    assert capsys.readouterr().err == "downloading file.pth (1.0 MB)\n"
