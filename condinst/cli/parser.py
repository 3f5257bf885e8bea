"""The parser of the words of every command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from condinst.cli.hints import misplaced_value
from condinst.utils.names import printable_lines

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """Print errors without control characters, and refuse empty words.

    No argument of the commands can be empty. An empty word is mostly a shell's variable that is not
    set; as a path it would mean the current folder.
    """

    def error(self, message: str) -> NoReturn:
        """Print the error and where to read more, not all options; end with code 2."""
        message = printable_lines(
            f"{message}{misplaced_value(self, message)}"
        )  # of any file's name
        what = "options" if self._subparsers is None else "commands"
        self.exit(2, f"{self.prog}: error: {message}\n({self.prog} --help lists the {what})\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse words, by default those of this process."""
        words = sys.argv[1:] if args is None else list(args)
        if self._subparsers is None:  # else the parser of the command checks its words
            self._refuse_empty(words)
        return super().parse_known_args(words, namespace)

    def _refuse_empty(self, words: Sequence[str]) -> None:
        for before, word in zip(["", *words], words, strict=False):
            option, equals, value = word.partition("=")
            if word == "":
                place = f"argument {before}" if before.startswith("-") else "an argument"
                self.error(f"{place}: expected a value, got an empty text")
            if word.startswith("--") and equals and not value:
                self.error(f"argument {option}: expected a value, got an empty text")
