"""Read a JSON file piece by piece, without holding a list of a million entries in memory.

Python's own scanner decodes each entry. Like that scanner, this module accepts NaN and Infinity.
"""

from __future__ import annotations

import codecs
import gc
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

__all__ = ["JsonStream", "load_json", "naming", "open_json", "without_gc"]

_CHUNK = 1 << 22  # bytes read at once
_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = frozenset("]}, \t\n\r")  # a number is complete before these; "1." may be the start of 1.5


@contextmanager
def without_gc() -> Iterator[None]:
    """Pause the garbage collector, which would search millions of small live objects in vain."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the file in front of the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@contextmanager
def open_json(path: str) -> Iterator[JsonStream]:
    """Open the stream of a file.

    Raises:
        ValueError: the file cannot be read; the message does not name it.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe could wait forever
            raise ValueError("a folder, a pipe or a device")
        file = open(path, "rb")  # noqa: SIM115 (closed below)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        found = "not found" if isinstance(error, FileNotFoundError) else f"not readable: {reason}"
        raise ValueError(f"file {found}") from None
    with file:
        try:
            yield JsonStream(file)
        except OSError as error:
            raise ValueError(f"file not readable: {error.strerror or error}") from None


class JsonStream:
    """Decode the values of a JSON file in order.

    Every method raises ValueError if the text is not JSON; the message does not name the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        first = file.read(_CHUNK)
        # as json.loads does: UTF-8, -16 or -32, with a byte order mark or without
        decoder = codecs.getincrementaldecoder(json.detect_encoding(first[:4]))
        self._decoder = decoder("surrogatepass")
        self.repeated_keys = 0  # repeated keys in objects; the last value counts
        decode: Any = json.JSONDecoder(object_pairs_hook=self._make_dict)
        self._scan: Callable[[str, int], tuple[Any, int]] = decode.scan_once
        self._text, self._place, self._ended = "", 0, False
        # characters and lines that were dropped from the start of ``_text``
        self._before, self._lines, self._line_start = 0, 0, 0
        self._append(first)

    def peek(self) -> str:
        """Return the next character after white space; empty at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._place)
            assert match  # possibly empty
            self._place = match.end()
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read_on():
                return ""

    def take(self, character: str, expected: str) -> None:
        """Skip one character, which must be the given one."""
        if self.peek() != character:
            raise self._error(f"Expecting {expected}", self._place)
        self._place += 1

    def value(self) -> Any:
        """Decode the next value of any type."""
        self.peek()
        while True:
            try:
                found, end = self._scan(self._text, self._place)
            except StopIteration as error:
                message, place = "Expecting value", error.value
            except json.JSONDecodeError as error:
                message, place = error.msg, error.pos
            except RecursionError:
                raise ValueError("not JSON that can be read: lists nested too deep") from None
            except ValueError as error:  # a number of too many digits for Python
                raise ValueError(f"{self._where(self._place)}: {_short_reason(error)}") from None
            else:
                whole = self._text[end - 1] in '"]}' or self._text[end : end + 1] in _ENDS
                if whole or not self._read_on():
                    self._place = end
                    return found
                continue
            if not self._read_on():  # else the value may be cut off at the end of the text so far
                raise self._error(message, place)

    def entries(self) -> Iterator[Any]:
        """Yield the values of a list, one at a time."""
        self.take("[", "'['")
        if self.peek() == "]":
            self._place += 1
            return
        while True:
            yield self.value()
            if self.peek() == "]":
                self._place += 1
                return
            self.take(",", "',' delimiter")

    def members(self) -> Iterator[str]:
        """Yield the keys of an object; the caller reads each value before the next key."""
        self.take("{", "'{'")
        if self.peek() == "}":
            self._place += 1
            return
        while True:
            if self.peek() != '"':
                raise self._error("Expecting property name enclosed in double quotes", self._place)
            key = self.value()
            self.take(":", "':' delimiter")
            yield key
            if self.peek() == "}":
                self._place += 1
                return
            self.take(",", "',' delimiter")

    def end(self) -> None:
        """Check that nothing follows the last value."""
        if self.peek():
            raise self._error("Extra data", self._place)

    def _make_dict(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self.repeated_keys += len(pairs) - len(made)
        return made

    def _read_on(self) -> bool:
        """Read at least as much as is left, so that a long value is not decoded too often."""
        if self._ended:
            return False
        self._append(self._file.read(max(_CHUNK, len(self._text) - self._place)))
        return True

    def _append(self, data: bytes) -> None:
        passed = self._text[: self._place]
        if passed:
            lines = passed.count("\n")
            if lines:
                self._lines += lines
                self._line_start = self._before + passed.rindex("\n") + 1
            self._before += len(passed)
        self._ended = not data
        try:
            more = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"not JSON: {error.encoding} text: {error.reason}; save it as UTF-8"
            ) from None
        self._text, self._place = self._text[self._place :] + more, 0

    def _error(self, message: str, place: int) -> ValueError:
        return ValueError(f"not JSON: {message} at {self._where(place)}")

    def _where(self, place: int) -> str:
        lines = self._text.count("\n", 0, place)
        start = self._line_start
        if lines:
            start = self._before + self._text.rindex("\n", 0, place) + 1
        at = self._before + place
        return (
            f"line {self._lines + lines + 1} column {at - start + 1} (character {at} of "
            f"{self._size})"
        )


def _short_reason(error: ValueError) -> str:
    return "a number of thousands of digits" if "digits" in str(error) else str(error)[:200]


def load_json(path: str) -> Any:
    """Read a whole JSON file.

    Raises:
        ValueError: the file cannot be read or is not JSON; the message names it.
    """
    with naming(path), without_gc(), open_json(path) as stream:
        found = stream.value()
        stream.end()
        return found
