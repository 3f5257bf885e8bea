"""A page in the browser on which a model is tried; it needs Gradio, the extra ``demo``."""

from condinst.demo.later import LoadedLater
from condinst.demo.server import serve
from condinst.demo.settings import Settings

__all__ = ["LoadedLater", "Settings", "serve"]
