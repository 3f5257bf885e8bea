"""Keep the files that mmengine writes whole when the disk is full.

Upstream bug (mmengine 0.10.7): ``LocalVisBackend`` leaves half a line in ``scalars.json`` and
``Config.dump`` an empty config, both under their final names, and the error names no file; logging
prints a traceback for every line that it cannot write. Delete when mmengine writes whole files and
names them in errors.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from condinst.utils.files import names_file, write_whole

__all__ = ["apply"]


def apply(upstream: str) -> None:
    """Replace functions of one of the modules."""
    if upstream.endswith("vis_backend"):
        from mmengine.visualization.vis_backend import LocalVisBackend

        LocalVisBackend._dump = _dump_line
    elif upstream.endswith("config"):
        from mmengine.config.config import Config

        _fix_config(Config)
    else:
        from mmengine.logging.logger import MMLogger

        _fix_logger(MMLogger)


def _dump_line(self: Any, value_dict: dict, file_path: str, file_format: str) -> None:
    """Append a line, whole or not at all."""
    from mmengine.fileio import dump

    data = f"{dump(value_dict, file_format=file_format)}\n".encode()
    with names_file(file_path), open(file_path, "ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(size)
            raise


def _fix_config(config: Any) -> None:
    plain = config.dump

    def dump(self: Any, file: str | Path | None = None) -> str | None:
        if file is None or not str(file).endswith(".py"):
            return plain(self, file)
        write_whole(file, self.pretty_text)
        return None

    config.dump = dump


def _fix_logger(logger: Any) -> None:
    plain = logger.__init__

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        for handler in self.handlers:
            if isinstance(handler, logging.FileHandler):
                _warn_once(handler)

    logger.__init__ = initialize


def _warn_once(handler: logging.FileHandler) -> None:
    """Let the run continue when its log cannot be written, and say so once."""
    plain = handler.handleError
    warned = False

    def handle(record: logging.LogRecord) -> None:
        nonlocal warned
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            plain(record)
        elif not warned:
            warned = True
            text = f"log file {handler.baseFilename}: cannot be written: {error.strerror or error}"
            print(text, file=sys.stderr)

    handler.handleError = handle  # type: ignore[method-assign]
