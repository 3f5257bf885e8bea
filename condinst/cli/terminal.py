"""Keep the terminal short during a run; the log file stays complete.

mmengine prints what it writes to the log file: the machine, the hooks, the config. The terminal
gets what a user reads: progress, tables, and warnings that the user can act on.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from mmengine.logging import MMLogger
from mmengine.runner import checkpoint

from condinst.utils.durations import UNKNOWN
from condinst.utils.names import printable, printable_lines
from condinst.utils.words import without_error_numbers

__all__ = ["progress_line", "quiet", "tell"]

_HEAD = re.compile(r"(?:Iter|Epoch)\((train|val|test)\)\s*(?:\[\s*(\d+)\])?\[\s*(\d+)/(\d+)\]")
_FIELD = re.compile(r"([\w/.]+): (\S+)")
# information of mmengine that a user waits for
_WANTED = re.compile(r"Saving checkpoint at|Auto resumed|resumed epoch|LR is set based on")
_WARNERS = ("mmengine.runner",)  # its warnings name keys of checkpoints and settings of the config
_NO_WARNING = re.compile("Advance dataloader")  # of a resumed training, which may take a while
_TABLES = ("condinst.evaluation", "condinst.cli")  # TerminalHook and the commands print these


def tell(logger: logging.Logger, text: str) -> None:
    """Log a text that the quiet terminal shows too."""
    logger.info(text, extra={"terminal": True})


@contextlib.contextmanager
def quiet(active: bool = True) -> Iterator[None]:
    """Make the loggers of a run print only what a user reads.

    Log files get every record as before, also those from before the file was opened. Python
    warnings of libraries go into the log file too, and what they log without a handler.

    Args:
        active: False changes nothing.
    """
    if not active:
        yield
        return
    run = _QuietRun()
    make, print_log, show = MMLogger.__init__, checkpoint.print_log, warnings.showwarning
    last_resort = logging.lastResort

    def make_quiet(self: MMLogger, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        run.take(self)

    def log_instead_of_printing(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        print_log(msg, logger="current" if logger is None else logger, level=level)

    def show_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if _is_of_library(_caller()):
            text = warnings.formatwarning(message, category, filename, lineno, line).strip()
            logger = MMLogger.get_current_instance()
            logger.warning(text, extra={"terminal": False})
        else:
            show(message, category, filename, lineno, file, line)

    for name in list(MMLogger._instance_dict):  # loggers of an earlier run in this process
        run.take(MMLogger._instance_dict[name])
    MMLogger.__init__ = make_quiet
    checkpoint.print_log = log_instead_of_printing
    warnings.showwarning = show_warning
    logging.lastResort = _ToLogFile(logging.WARNING)
    try:
        yield
    finally:
        MMLogger.__init__, checkpoint.print_log = make, print_log
        warnings.showwarning = show
        logging.lastResort = last_resort
        run.release()


class _ToLogFile(logging.Handler):
    """Takes what libraries log that have set up no handler, as timm; its warnings are not shown."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = MMLogger.get_current_instance()
        text = f"{record.name}: {record.getMessage()}"
        logger.log(record.levelno, text, extra={"terminal": record.levelno >= logging.ERROR})


class _QuietRun:
    """The loggers of one run, and the records that came before there was a log file."""

    def __init__(self) -> None:
        self._early: list[logging.LogRecord] | None = []
        self._changed: list[tuple[logging.Handler, logging.Formatter | None]] = []

    def take(self, logger: MMLogger) -> None:
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                for record in self._early or ():
                    handler.handle(record)
                self._early = None
            elif isinstance(handler, logging.StreamHandler):
                self._changed.append((handler, handler.formatter))
                handler.addFilter(self._shows)
                handler.setFormatter(_Formatter())

    def release(self) -> None:
        for handler, formatter in self._changed:
            handler.removeFilter(self._shows)
            handler.setFormatter(formatter)

    def _shows(self, record: logging.LogRecord) -> bool:
        if self._early is not None:
            self._early.append(record)
        return _is_shown(record)


def _is_shown(record: logging.LogRecord) -> bool:
    chosen = getattr(record, "terminal", None)
    if chosen is not None or record.levelno >= logging.ERROR:
        return chosen is not False
    caller = _caller()
    if record.levelno >= logging.WARNING:
        return not _is_of_library(caller) or _is_below(caller, _WARNERS)
    if _is_below(caller, ("condinst",)):
        return not _is_below(caller, _TABLES)
    text = record.getMessage()
    return progress_line(text) is not None or _WANTED.match(text) is not None


def _caller() -> str:
    """Return the name of the module that logs or warns: this function runs below its call."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and not _is_below(name, ("logging", "warnings", "mmengine.logging")):
            return name
        frame = frame.f_back
    return ""


def _is_below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _is_of_library(name: str) -> bool:
    """Tell whether a module is neither ours nor the user's."""
    if _is_below(name, ("condinst",)):
        return False
    if name.partition(".")[0] in sys.stdlib_module_names:
        return name != "__main__"
    file = str(getattr(sys.modules.get(name), "__file__", None) or "")
    return "site-packages" in file or "dist-packages" in file


class _Formatter(logging.Formatter):
    """The text alone, with its level before warnings and errors, and short lines of progress."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno >= logging.WARNING and not _NO_WARNING.match(text):
            return f"{record.levelname.lower()}: {printable_lines(without_error_numbers(text))}"
        text = "\n".join(map(printable, text.split("\n")))
        return progress_line(text) or text


def progress_line(text: str) -> str | None:
    """Shorten a line of mmengine's LoggerHook; None if it is no line of progress.

    Args:
        text: such as "Iter(train) [ 20/100]  lr: 1.0e-03  eta: 0:01:10  time: 0.8  loss: 2.5".
    """
    head = _HEAD.match(text)
    fields = dict(_FIELD.findall(text))
    if head is None or "eta" not in fields:
        return None
    loop, epoch, done, total = head.groups()
    done = done.rjust(len(total))
    if loop == "train":
        place = f"epoch {epoch}, batch" if epoch else "iteration"
    else:
        place = {"val": "validation", "test": "test"}[loop] + " batch"
    known = fields["eta"] != UNKNOWN
    parts = [f"{place} {done} of {total}" if known else f"{place} {done}"]
    if "loss" in fields:
        parts.append(f"loss {_digits(fields['loss'], '.4g'):6}")
    if "lr" in fields:
        parts.append(f"lr {_digits(fields['lr'], '.2e')}")
    if "time" in fields:
        parts.append(f"{_digits(fields['time'], '.2f')} s each")
    if "memory" in fields:
        parts.append(f"{fields['memory']} MB")
    return "   ".join([*parts, f"{fields['eta']} left"] if known else parts)


def _digits(number: str, form: str) -> str:
    try:
        return format(float(number), form)
    except ValueError:
        return number
