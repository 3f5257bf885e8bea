"""A damaged file is told from a whole one before anything of it is unpickled."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import tarfile
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import payloads
import pytest
import torch
from mmengine.logging import HistoryBuffer

from condinst.compat.checkpoint import load_from_local
from condinst.compat.checkpoint_file import check_ends, check_whole


def content() -> dict:
    generator = torch.Generator().manual_seed(0)
    weights = {f"w{i}": torch.randn(40, 5, generator=generator) for i in range(4)}
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    return {
        "state_dict": OrderedDict(weights),
        "message_hub": {"loss": history},
        "meta": {"iter": 3},
    }


@pytest.fixture
def whole(tmp_path) -> Path:
    torch.save(content(), tmp_path / "whole.pth")
    return tmp_path / "whole.pth"


def same(found: dict) -> bool:
    expected = content()
    return (
        found.keys() == expected.keys()
        and found["meta"] == expected["meta"]
        and found["message_hub"]["loss"].mean() == 1.5
        and found["state_dict"].keys() == expected["state_dict"].keys()
        and all(torch.equal(found["state_dict"][k], v) for k, v in expected["state_dict"].items())
    )


def test_a_whole_file_passes(whole):
    check_whole(whole)
    check_whole(str(whole))
    assert same(load_from_local(str(whole)))


@pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_refused_or_changes_nothing(whole, count):
    """What may be flipped is padding, and the dates of the archive's members."""
    data, draw = whole.read_bytes(), random.Random(0)
    flipped = whole.with_name("flipped.pth")
    refused = 0
    for _ in range(count):
        damaged = bytearray(data)
        damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        flipped.write_bytes(damaged)
        try:
            check_whole(flipped)
        except ValueError:
            refused += 1
        else:
            with contextlib.suppress(ValueError):  # found by the reader
                assert same(load_from_local(str(flipped)))
    assert refused > 0.6 * count  # of this small file, a third is padding


def test_a_member_that_is_marked_as_a_folder_is_refused(whole, tmp_path):
    """torch's reader would leave its tensor's memory as it was."""
    marked = tmp_path / "marked.pth"
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(marked, "w") as other:
        for member in archive.infolist():
            info = zipfile.ZipInfo(member.filename)
            info.external_attr = 0x10 if member.filename.endswith("data/1") else 0
            other.writestr(info, archive.read(member))
    with pytest.raises(ValueError, match="data/1 is marked as a folder"):
        load_from_local(str(marked))


@pytest.mark.slow
def test_no_flip_of_the_list_of_members_changes_anything(whole):
    """Every bit of it: what passes gives the same content, or an error."""
    data = whole.read_bytes()
    flipped = whole.with_name("flipped.pth")
    for place in range(data.index(b"PK\x01\x02"), len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            flipped.write_bytes(damaged)
            with contextlib.suppress(ValueError):
                assert same(load_from_local(str(flipped))), (place, bit)


def test_every_flip_of_a_weight_is_refused(whole):
    with zipfile.ZipFile(whole) as archive:
        member = archive.getinfo("whole/data/2")
        with archive.open(member) as stream:
            weights = stream.read()
    data = whole.read_bytes()
    start = data.index(weights)
    for offset in range(0, len(weights), 7):
        damaged = bytearray(data)
        damaged[start + offset] ^= 16
        whole.write_bytes(damaged)
        with pytest.raises(ValueError, match="whole.pth: cannot be read as a checkpoint .*CRC-32"):
            load_from_local(str(whole))


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_a_file_that_is_cut_off_is_refused(whole, step):
    data = whole.read_bytes()
    for size in range(0, len(data), step):
        whole.write_bytes(data[:size])
        with pytest.raises(ValueError, match="whole.pth: cannot be read as a checkpoint"):
            check_whole(whole)
    whole.write_bytes(data + b"\0")
    with pytest.raises(ValueError, match="the end of its zip archive is missing"):
        check_whole(whole)


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "absent.pth"):
        with pytest.raises(FileNotFoundError, match=f"{path}: no such checkpoint file"):
            check_whole(path)


def test_a_file_without_checksums_is_read(tmp_path):
    if not hasattr(torch.serialization, "set_crc32_options"):
        pytest.skip("this torch always writes them")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content(), tmp_path / "none.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert same(load_from_local(str(tmp_path / "none.pth")))


def test_the_format_before_torch_1_6_has_no_checksums(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(content(), path, _use_new_zipfile_serialization=False)
    check_whole(path)
    assert same(load_from_local(str(path)))
    data = path.read_bytes()
    for size in (0, 10, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="old.pth: cannot be read as a checkpoint"):
            load_from_local(str(path))


def archive(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as writer:
        for name, data in members:
            writer.writestr(name, data)


PICKLE = ("a/data.pkl", payloads.checkpoint(b"}"))
REST = (("a/byteorder", b"little"), ("a/data/0", bytes(16)), ("a/version", b"3\n"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "method", "message"),
    [
        ((PICKLE, *REST), zipfile.ZIP_DEFLATED, "compressed and unpacks to"),
        ((("a/data/0", bytes(1 << 26)), PICKLE), zipfile.ZIP_DEFLATED, "67,108,864 bytes"),
        ((PICKLE, *REST), zipfile.ZIP_LZMA, "compressed"),
        ((PICKLE, *REST, PICKLE), zipfile.ZIP_STORED, "not those of one torch.save"),
        ((PICKLE, *REST, ("A/DATA.PKL", b"")), zipfile.ZIP_STORED, "not those of one torch.save"),
        ((PICKLE, *REST, ("b/data.pkl", b"")), zipfile.ZIP_STORED, "not those of one torch.save"),
        ((PICKLE, *REST, ("a/constants.pkl", b"")), zipfile.ZIP_STORED, "a TorchScript program"),
        ((PICKLE, *REST, ("a/Constants.pkl", b"")), zipfile.ZIP_STORED, "a TorchScript program"),
        (REST, zipfile.ZIP_STORED, "it has no data.pkl"),
        ((), zipfile.ZIP_STORED, "it begins with b'PK.x05"),
    ],
)  # fmt: skip
def test_archives_that_torch_does_not_write_are_refused(tmp_path, members, method, message):
    archive(tmp_path / "bad.pth", *members, method=method)
    start = time.process_time()
    with pytest.raises(ValueError, match=f"bad.pth: cannot be read as a checkpoint .*{message}"):
        load_from_local(str(tmp_path / "bad.pth"))
    assert time.process_time() - start < 2


def test_the_same_archive_is_read_when_it_is_as_torch_writes_it(tmp_path):
    archive(tmp_path / "good.pth", PICKLE, *REST)
    assert load_from_local(str(tmp_path / "good.pth"))["state_dict"]["w"].tolist() == [0.0] * 4


def test_members_that_overlap_are_refused(tmp_path):
    """Each of two entries of the directory names the same bytes."""
    path = tmp_path / "bad.pth"
    archive(path, PICKLE, ("a/data/0", bytes(16)), ("a/data/1", bytes(16)))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as reader:
        first, second = reader.getinfo("a/data/0"), reader.getinfo("a/data/1")
        directory = reader.start_dir
    entry = data.index(b"a/data/1", directory) - 46
    struct.pack_into("<L", data, entry + 42, first.header_offset)
    header = data[first.header_offset : second.header_offset]
    data[second.header_offset : second.header_offset + len(header)] = header
    path.write_bytes(data)
    with pytest.raises(ValueError, match="bad.pth: cannot be read as a checkpoint .*verlap|differ"):
        load_from_local(str(path))


@pytest.mark.parametrize("place", ["size", "offset", "count"])
def test_a_directory_that_lies_is_refused(tmp_path, place):
    path = tmp_path / "bad.pth"
    archive(path, PICKLE, *REST)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as reader:
        entry = data.index(b"a/data/0", reader.start_dir) - 46
    if place == "size":
        struct.pack_into("<LL", data, entry + 20, 1 << 31, 1 << 31)
    elif place == "offset":
        struct.pack_into("<L", data, entry + 42, 1 << 31)
    else:
        struct.pack_into("<HH", data, len(data) - 14, 2, 2)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="bad.pth: cannot be read as a checkpoint"):
        load_from_local(str(path))


def test_a_second_archive_in_the_comment_is_refused(tmp_path):
    """Of two ends of an archive, two readers may take two."""
    path = tmp_path / "bad.pth"
    archive(path, PICKLE, *REST)
    inner = path.read_bytes()
    with zipfile.ZipFile(path, "a") as writer:
        writer.comment = inner
    with pytest.raises(ValueError, match="bad.pth: cannot be read as a checkpoint"):
        load_from_local(str(path))


def test_a_directory_of_many_members_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bad.pth"
    archive(path, PICKLE, *REST)
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, len(data) - 10, 100 << 20)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="its list of members takes 104,857,600 bytes"):
        load_from_local(str(path))


def test_a_tar_archive_unpacks_nothing(tmp_path, monkeypatch):
    """torch's oldest format; a file can begin like the next one and be a tar archive, too."""
    path = tmp_path / "old.pth"
    (tmp_path / "storages").write_bytes(b"")
    with tarfile.open(path, "w") as writer:
        writer.add(tmp_path / "storages", "storages")
    monkeypatch.setattr(tarfile, "open", lambda *args, **kwargs: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="old.pth: cannot be read as a checkpoint"):
        load_from_local(str(path))
    torch.save(content(), path, _use_new_zipfile_serialization=False)
    assert same(load_from_local(str(path)))


def test_a_torchscript_program_is_refused(tmp_path, recwarn):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "program.pt")
    with pytest.raises(ValueError, match="program.pt: .*TorchScript program, expected weights"):
        load_from_local(str(tmp_path / "program.pt"))


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.pth"
    os.mkfifo(path)
    for read in (check_whole, load_from_local):
        with pytest.raises(ValueError, match="pipe.pth: is a pipe or a device"):
            read(str(path))


def test_the_ends_of_a_file(whole, tmp_path):
    """Each kind that is read passes, and each that was cut or is something else does not."""
    check_ends(whole)
    legacy = tmp_path / "legacy.pth"
    torch.save(content(), legacy, _use_new_zipfile_serialization=False)
    check_ends(legacy)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ValueError, match="^the end of its zip archive is missing or damaged$"):
        check_ends(cut)
    cut.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"^it begins with b'<html>not foun', expected a file of"):
        check_ends(cut)
