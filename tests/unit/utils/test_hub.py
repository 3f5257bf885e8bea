"""Files of the Hugging Face Hub, by the real client from a local server."""

import logging
import sys
import time

import pytest
from hub_server import COMMIT, HubServer, use_hub

from condinst.utils.hub import HubAddress, fetch_from_hub, parse_hub_address

REPO = "someone/models"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("hf://a/b/c.pth", HubAddress("a/b", "c.pth", None)),
        ("hf://a-1/b.2/x/y z.pth", HubAddress("a-1/b.2", "x/y z.pth", None)),
        ("hf://a/b@v1.0/c.pth", HubAddress("a/b", "c.pth", "v1.0")),
        ("hf://a/b@refs%2Fpr%2F1/c.pth", HubAddress("a/b", "c.pth", "refs/pr/1")),
        ("hf://a/b/c@d.pth", HubAddress("a/b", "c@d.pth", None)),
    ],
)
def test_addresses(address, expected):
    assert parse_hub_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "hf://", "hf://a", "hf://a/b", "hf://a/b/", "hf://a/b@/c.pth", "hf://a/b@x@y/c.pth",
        "hf://a/../c.pth", "hf://../b/c.pth", "hf://a/b/../c.pth", "hf://a/b/x/../../c.pth",
        "hf://a/b//c.pth", "hf://a/b/.", "hf://a/b/x\\..\\c.pth", "hf://a/b/c\n.pth",
        "hf://a/b/c\0.pth", "hf://datasets/a/b/c.pth", "hf://a b/c/d.pth", "https://a/b/c",
    ],
)  # fmt: skip
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="expected hf://OWNER/REPO"):
        parse_hub_address(address)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A hub, to which the client is pointed, and an empty cache."""
    with HubServer() as server:
        use_hub(server, monkeypatch, tmp_path / "hub")
        for revision, content in (("main", b"new" * 1000), ("v1", b"old"), (COMMIT, b"new" * 1000)):
            server.files[REPO, revision, "folder/a.pth"] = content
        yield server


def test_a_file_is_downloaded_once(server, tmp_path):
    path = fetch_from_hub(f"hf://{REPO}/folder/a.pth")
    assert path.read_bytes() == b"new" * 1000
    assert path.is_relative_to(tmp_path / "hub")
    assert COMMIT in path.parts
    assert fetch_from_hub(f"hf://{REPO}/folder/a.pth") == path
    assert server.downloads() == 1
    redirected = [word for _, path, word in server.requests if path.startswith("/cdn/")]
    assert redirected == [None]  # no token for another host


def test_another_revision_is_another_file(server):
    assert fetch_from_hub(f"hf://{REPO}@v1/folder/a.pth").read_bytes() == b"old"
    assert fetch_from_hub(f"hf://{REPO}@{COMMIT}/folder/a.pth").read_bytes() == b"new" * 1000


def test_a_private_repository_wants_a_token(server, monkeypatch):
    server.private.add(REPO)
    with pytest.raises(OSError, match=r"^hf://someone/models/.*private: log in .*HF_TOKEN$"):
        fetch_from_hub(f"hf://{REPO}/folder/a.pth")
    monkeypatch.setenv("HF_TOKEN", server.token)
    assert fetch_from_hub(f"hf://{REPO}/folder/a.pth").is_file()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("hf://nobody/models/a.pth", "there is no repository nobody/models, or it is private"),
        (f"hf://{REPO}/b.pth", "someone/models has no file b.pth$"),
        (f"hf://{REPO}@v1/b.pth", "someone/models has no file b.pth at the revision v1"),
        (f"hf://{REPO}@v2/folder/a.pth", "someone/models has no revision v2"),
    ],
)
def test_what_the_hub_does_not_have(server, address, said):
    with pytest.raises(OSError, match=rf"^{address}: cannot be fetched: {said}"):
        fetch_from_hub(address)


def test_a_gated_repository(server):
    server.gated.add(REPO)
    with pytest.raises(OSError, match="access has to be granted first, at https://huggingface.co"):
        fetch_from_hub(f"hf://{REPO}/folder/a.pth")


def test_what_is_in_the_cache_needs_no_network(server, monkeypatch):
    from huggingface_hub import constants

    path = fetch_from_hub(f"hf://{REPO}/folder/a.pth")
    count = len(server.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_from_hub(f"hf://{REPO}/folder/a.pth") == path
    with pytest.raises(OSError, match=r"is not in the cache of huggingface_hub.*HF_HUB_OFFLINE"):
        fetch_from_hub(f"hf://{REPO}@v1/folder/a.pth")
    assert len(server.requests) == count


def test_nobody_listens(server, monkeypatch, capsys, caplog):
    from huggingface_hub import constants

    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before the client asks again
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{filename}")
    with pytest.raises(OSError, match=r"is not in the cache .* cannot be reached \(.*refused.*\)$"):
        fetch_from_hub(f"hf://{REPO}/folder/a.pth")
    # one line for all attempts; the client's own would be two for each
    said = f"hf://{REPO}/folder/a.pth: the Hub does not answer, trying again\n"
    assert capsys.readouterr().err == said
    assert not caplog.records
    assert not logging.getLogger("huggingface_hub.utils._http").filters


def test_a_server_that_is_no_hub(server, monkeypatch):
    monkeypatch.setattr(HubServer, "_find", lambda *_: (200, {"Content-Type": "text/html"}))
    with pytest.raises(OSError, match=r"cannot be reached \(.*(X-Repo-Commit|not seem to be on)"):
        fetch_from_hub(f"hf://{REPO}/folder/a.pth")


def test_without_huggingface_hub_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"^hf://a/b/c.pth: needs .* 'condinst\[hub\]'$"):
        fetch_from_hub("hf://a/b/c.pth")
