"""Keep control characters out of mmengine's logs.

Upstream bug (mmengine 0.10.7): ``MMFormatter`` writes names from files as they are, to the log file
and to the terminal, where they can move the cursor or hide lines. ``MMLogger`` opens its file in
the system's encoding, in which a name of other letters ends in a traceback. Delete when mmengine
escapes control characters and writes UTF-8.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from condinst.utils.names import printable, printable_lines

__all__ = ["apply"]


def apply(upstream: str) -> None:
    """Change the formatter and the file of every logger."""
    module: Any = sys.modules[upstream]
    formatter, logger = module.MMFormatter, module.MMLogger
    format_message, format_exception = formatter.formatMessage, formatter.formatException
    initialize = logger.__init__

    def message(self: Any, record: logging.LogRecord) -> str:
        if record.levelno >= logging.WARNING:
            record.message = printable_lines(record.message)
        else:  # tables and configs
            record.message = _escaped(record.message)
        return format_message(self, record)

    def exception(self: Any, info: Any) -> str:
        return _escaped(format_exception(self, info))

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        for handler in self.handlers:
            stream: Any = getattr(handler, "stream", None)
            if isinstance(handler, logging.FileHandler) and hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")

    formatter.formatMessage, formatter.formatException = message, exception
    logger.__init__ = init


def _escaped(text: str) -> str:
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
