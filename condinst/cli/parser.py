"""The parser of the words of every command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from condinst.cli.hints import misplaced_value, negative_value
from condinst.utils.names import printable_lines

__all__ = ["Parser", "idle_with", "needs"]

_NO_NUMBER = re.compile(r"invalid (float|int) value: '(.*)'$", re.DOTALL)


def needs(parser: argparse.ArgumentParser, options: Sequence[str], other: str) -> None:
    """Refuse options that would do nothing without another one."""
    if isinstance(parser, Parser):
        parser.idle += [(option, other, False) for option in options]


def idle_with(parser: argparse.ArgumentParser, options: Sequence[str], other: str) -> None:
    """Refuse options that would do nothing beside another one."""
    if isinstance(parser, Parser):
        parser.idle += [(option, other, True) for option in options]


class Parser(argparse.ArgumentParser):
    """Print errors without control characters, and refuse empty words.

    No argument of the commands can be empty. An empty word is mostly a shell's variable that is not
    set; as a path it would mean the current folder.

    Attributes:
        idle: options that do nothing, each with another option and whether they do nothing beside
            it (else without it).
        words: those that are parsed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.words: list[str] = []
        self.idle: list[tuple[str, str, bool]] = []

    def error(self, message: str) -> NoReturn:
        """Print the error and where to read more, not all options; end with code 2."""
        message = negative_value(self, message, self.words)
        message = _NO_NUMBER.sub(_no_number, f"{message}{misplaced_value(self, message)}")
        message = printable_lines(message)  # of any file's name
        what = "options" if self._subparsers is None else "commands"
        self.exit(2, f"{self.prog}: error: {message}\n({self.prog} --help lists the {what})\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse words, by default those of this process."""
        words = sys.argv[1:] if args is None else list(args)
        self.words = words
        if self._subparsers is None:  # else the parser of the command checks its words
            self._refuse_empty(words)
        found = super().parse_known_args(words, namespace)
        if self._subparsers is None:
            self._refuse_idle(words)
        return found

    def _refuse_idle(self, words: Sequence[str]) -> None:
        """Refuse options that do nothing: with their default they were written in vain, too."""
        given = {self._option(word) for word in words if word.startswith("--")}
        for option, other, beside in self.idle:
            if option in given and (other in given) == beside:
                place = f"beside {other}" if beside else f"without {other}"
                self.error(f"argument {option}: does nothing {place}")

    def _option(self, word: str) -> str | None:
        """Return the option that a word means, which may be cut short."""
        name = word.partition("=")[0]
        if name in self._option_string_actions:
            return name
        found = [option for option in self._option_string_actions if option.startswith(name)]
        return found[0] if len(found) == 1 else None

    def _refuse_empty(self, words: Sequence[str]) -> None:
        for before, word in zip(["", *words], words, strict=False):
            option, equals, value = word.partition("=")
            if word == "":
                place = f"argument {before}" if before.startswith("-") else "an argument"
                self.error(f"{place}: expected a value, got an empty text")
            if word.startswith("--") and equals and not value:
                self.error(f"argument {option}: expected a value, got an empty text")


def _no_number(found: re.Match[str]) -> str:
    """Return the message of argparse on a word that is no number, in plain words."""
    kind, word = found.groups()
    point = word.replace(",", ".", 1)
    meant = f"; did you mean {point}?" if re.fullmatch(r"\d*,\d+", word) and kind == "float" else ""
    return f"{word}: expected a {'whole ' if kind == 'int' else ''}number{meant}"
