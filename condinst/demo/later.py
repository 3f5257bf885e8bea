"""A predictor that is loaded while the page is already served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from condinst.inference.base import BasePredictor

__all__ = ["LoadedLater"]


class LoadedLater:
    """Holds a predictor for the threads of the page, which wait until it is loaded.

    Args:
        name: the model, in words.
        load: loads the predictor.
    """

    def __init__(self, name: str, load: Callable[[], BasePredictor[Any]]) -> None:
        self.name = name
        self._load = load
        self._done = threading.Event()
        self._predictor: BasePredictor[Any] | None = None
        self._reason = ""

    def load(self) -> None:
        """Load the predictor; threads that wait for it then go on.

        Raises:
            Exception: that of ``load``; threads that wait get ValueError with its message.
        """
        try:
            self._predictor = self._load()
        except BaseException as error:
            self._reason = f"the model cannot be loaded: {error}"
            raise
        finally:
            self._done.set()

    @property
    def is_loading(self) -> bool:
        """Return whether a call of :meth:`get` would wait."""
        return not self._done.is_set()

    def get(self) -> BasePredictor[Any]:
        """Return the predictor, as soon as it is loaded.

        Raises:
            ValueError: it could not be loaded.
        """
        self._done.wait()
        if self._predictor is None:
            raise ValueError(self._reason)
        return self._predictor
