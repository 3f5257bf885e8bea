"""Check that a checkpoint file is whole, before any of it is unpickled.

Upstream bug (torch 2.14): ``torch.load`` leaves the checksums of its zip archive unread, inflates
whatever is compressed, and takes overlapping members. Delete when it checks all three.

The format of torch before 1.6 is no zip archive and has no checksums: a flipped bit among its
weights cannot be seen.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from condinst.compat.safetensors_header import SUFFIX, begins_as_safetensors, check_length

TRUST = "CONDINST_TRUST_CHECKPOINT"
"""Environment variable: the path or URL of the one file that is loaded as an ordinary pickle."""

PICKLES = (b"\x80", b"(", b"}", b"c", b"]")
"""The first byte of a pickle: protocol 2 and later, or a dict as protocols 0 and 1 write it."""

ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The first bytes of a file that ``torch.save`` wrote before torch 1.6: a pickled magic number."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")  # torch always writes it, followed by its offset
_PLACE64 = struct.Struct("<4sLQL")
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENTRY = 46  # bytes of an entry of the directory, before its name
_MAX_DIRECTORY = 32 << 20  # bytes; a member takes about 100, so this is some 300,000 of them
_FLAGS = 0x0808  # sizes behind the content, names in UTF-8
_FOLDER = 0x10  # MS-DOS attribute of a directory
_BLOCK = 1 << 20


def require_file(path: Path, name: str) -> None:
    """Check that a checkpoint is a regular file: a pipe would be waited for.

    Raises:
        FileNotFoundError: there is no such file, or it is a folder.
        ValueError: the checkpoint is a pipe or a device.
    """
    if path.is_file():
        return
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name}: is a pipe or a device, expected a checkpoint file")
    raise FileNotFoundError(f"{name}: no such checkpoint file")


def check_whole(path: str | Path) -> None:
    """Check a file's structure and checksums without building a tensor.

    The file is read once, at about 1 GB/s. In the format before torch 1.6, only the first bytes are
    checked.

    Raises:
        FileNotFoundError: there is no such file, or it is a folder.
        ValueError: the file is damaged, incomplete or not a checkpoint.
    """
    path = Path(path)
    require_file(path, str(path))
    with path.open("rb") as file:
        try:
            check(file)
        except ValueError as error:
            raise ValueError(
                f"{path}: cannot be read as a checkpoint ({error}); the file may be incomplete, "
                "damaged or something else"
            ) from error


def check_ends(path: Path) -> None:
    """Check the first bytes and the end of a file, which takes no time.

    A file of another kind is refused, and one that was cut. The other checks are those of
    :func:`check_whole`, or of safetensors.

    Raises:
        ValueError: says what is wrong, without the file's name.
    """
    with path.open("rb") as file:
        start = file.read(len(LEGACY_START))
        if path.suffix == SUFFIX or begins_as_safetensors(start):
            check_length(path)
        elif start.startswith(ZIP_START):
            _check_end(file)
        elif start != LEGACY_START:
            raise _no_checkpoint(start)


def _no_checkpoint(start: bytes) -> ValueError:
    found = f"begins with {start!r}" if start else "is empty"
    return ValueError(f"it {found}, expected a file of torch.save")


def check(file: BinaryIO) -> dict[str, int] | None:
    """Check an open file as :func:`check_whole` does, and leave it at its beginning.

    Returns:
        The sizes of the members of the archive in bytes, by name without their common folder; None
        for the format before torch 1.6.

    Raises:
        ValueError: says what is wrong, without the file's name.
    """
    file.seek(0)
    start = file.read(len(LEGACY_START))
    try:
        if start.startswith(ZIP_START):
            return _check_zip(file)
        if start != LEGACY_START:
            raise _no_checkpoint(start)
        return None
    finally:
        file.seek(0)


def _check_zip(file: BinaryIO) -> dict[str, int]:
    count, size = _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            file.seek(archive.start_dir)
            _check_list(file.read(size), count)
            if len(members) != count:
                raise ValueError(f"it lists {len(members)} members, expected {count}")
            _check_members(file, members, archive.start_dir)
            if any(member.CRC for member in members):  # torch can be told to write none
                _check_sums(archive, members)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    folder = members[0].filename.split("/")[0] + "/"
    return {member.filename.removeprefix(folder): member.file_size for member in members}


def _check_end(file: BinaryIO) -> tuple[int, int]:
    """Check that the file ends as one zip archive that fills it, as torch writes it.

    If other bytes lay around the archive, two readers could find two different archives in it.

    Returns:
        The number of members, and the bytes of their list.
    """
    wrong = ValueError("the end of its zip archive is missing or damaged")
    place = file.seek(0, os.SEEK_END) - _END.size
    if place < 0:
        raise wrong
    file.seek(place)
    signature, *disks, count, size, offset, comment = _END.unpack(file.read())
    if signature != b"PK\x05\x06" or comment or disks != [0, 0, count]:
        raise wrong
    before = _END64.size + _PLACE64.size
    file.seek(max(place - before, 0))
    words = file.read(before)
    if words[-_PLACE64.size :].startswith(b"PK\x06\x07"):
        place -= before
        end = _END64.unpack(words[: _END64.size])
        if end[:2] != (b"PK\x06\x06", _END64.size - 12) or end[4:7] != (0, 0, end[7]):
            raise wrong
        if _PLACE64.unpack(words[_END64.size :])[1:] != (0, place, 1):
            raise wrong
        small = zip((count, size, offset), end[7:], (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True)
        if any(short not in (long, most) for short, long, most in small):
            raise wrong
        count, size, offset = end[7:]
    if size > _MAX_DIRECTORY:
        raise ValueError(
            f"its list of members takes {size:,} bytes, expected at most {_MAX_DIRECTORY:,}"
        )
    if offset + size != place:
        raise wrong
    return count, size


def _check_list(entries: bytes, count: int) -> None:
    """Check the length of the list: Python's reader accepts a last entry that ends too late."""
    place = 0
    for _ in range(count):
        if place + _ENTRY > len(entries):
            break
        place += _ENTRY + sum(struct.unpack_from("<3H", entries, place + 28))
    if place != len(entries):
        raise ValueError("its list of members is damaged")


def _check_members(file: BinaryIO, members: list[zipfile.ZipInfo], directory: int) -> None:
    """Check the members: one folder, distinct names, not compressed, no overlap."""
    if not members:
        raise ValueError("its zip archive is empty")
    folder = members[0].filename.split("/")[0] + "/"
    names = {member.filename.lower() for member in members}  # torch's reader ignores case
    if len(names) < len(members) or not all(m.filename.startswith(folder) for m in members):
        raise ValueError("its members are not those of one torch.save")
    if f"{folder}constants.pkl".lower() in names:
        raise ValueError("it is a TorchScript program, expected weights")
    if f"{folder}data.pkl".lower() not in names:
        raise ValueError("it has no data.pkl, expected a file of torch.save")
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(
                f"{member.filename} is compressed and unpacks to {member.file_size:,} bytes; "
                "torch.save stores members as they are"
            )
        if member.flag_bits & ~_FLAGS or member.volume:
            raise ValueError(f"{member.filename} is encrypted, or not in this file")
        # torch's reader reads no bytes of such a member: the tensor keeps what was in memory
        if member.external_attr & _FOLDER or member.is_dir():
            raise ValueError(f"{member.filename} is marked as a folder")
        if member.header_offset < end:
            raise ValueError(f"{member.filename} overlaps another member")
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            raise ValueError(f"{member.filename} lies behind the end of the file")
        name_size, extra_size = _LOCAL_HEADER.unpack(header)[-2:]
        end = member.header_offset + len(header) + name_size + extra_size + member.file_size
        if end > directory:
            raise ValueError(f"{member.filename} overlaps the list of members")


def _check_sums(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        with archive.open(member) as stream:
            while stream.read(_BLOCK):
                pass  # zipfile compares the checksum at the end
