"""Compare values and errors with Python's json, for every end of the read chunks."""

import json
import os
import random
import re

import pytest

from condinst.datasets.coco import json_stream
from condinst.datasets.coco.json_stream import load_json, open_json

SCALARS = [1, -2.5, 1e300, None, True, 'aä\n"]', "😀", 12345678901234567890123, float("inf")]


def random_value(rng, depth=0):
    draw = rng.random()
    if depth > 3 or draw < 0.4:
        return rng.choice(SCALARS)
    if draw < 0.7:
        return [random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {str(rng.randint(0, 99)): random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))}


def read(path):
    """Read the file in the smallest possible chunks."""
    with open_json(str(path)) as stream:
        if stream.peek() == "{":
            found = {
                key: list(stream.entries()) if stream.peek() == "[" else stream.value()
                for key in stream.members()
            }
        else:
            found = list(stream.entries()) if stream.peek() == "[" else stream.value()
        stream.end()
    return found


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 7)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_sound_text(tmp_path, encoding):
    rng = random.Random(0)
    path = tmp_path / "a.json"
    for _ in range(60):
        value = random_value(rng)
        text = json.dumps(value, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5)
        path.write_bytes(text.encode(encoding))
        assert repr(read(path)) == repr(value)
        assert repr(load_json(str(path))) == repr(value)


def test_broken_text(tmp_path):
    rng = random.Random(1)
    path, refused = tmp_path / "a.json", 0
    for _ in range(300):
        data = bytearray(json.dumps(random_value(rng), indent=1).encode())
        place = rng.randrange(len(data))
        data[place : place + rng.randint(0, 3)] = rng.choice([b"", b"x", b",", b"]", b'"', b"{"])
        path.write_bytes(data)
        try:
            value = json.loads(bytes(data))
        except json.JSONDecodeError as error:
            refused += 1
            message = f"{error.msg} at line {error.lineno} column {error.colno} (character"
            with pytest.raises(ValueError, match="not JSON") as caught:
                read(path)
            assert message in str(caught.value)
        except UnicodeDecodeError:
            continue
        else:
            assert repr(read(path)) == repr(value)
    assert refused > 100


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[1, " + b"9" * 5000 + b"]", "a number of thousands of digits"),
        (b"\xff\xfe\x00", "not JSON: utf-16"),
        (b'["\xff"]', "not JSON: utf-8"),
    ],
)
def test_what_ends_badly_elsewhere(tmp_path, data, message):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        load_json(str(tmp_path / "a.json"))


def test_keys_that_stand_twice_are_counted(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": 1, "a": 2, "b": {"c": 1, "c": 1}}]')
    with open_json(str(tmp_path / "a.json")) as stream:
        assert stream.value() == [{"a": 2, "b": {"c": 1}}]
        assert stream.repeated_keys == 2


@pytest.mark.parametrize("name", ["gone.json", ".", "a\0b"])
def test_no_such_file(tmp_path, name):
    with pytest.raises(
        ValueError, match=rf"^{re.escape(str(tmp_path))}/.*: file not (found|readable)"
    ):
        load_json(f"{tmp_path}/{name}")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: file not readable: .*pipe"):
        load_json(str(tmp_path / "pipe"))
