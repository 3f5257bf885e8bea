"""Find the published models by name: their configs, their accuracy and their weights.

``index`` reads ``model-index.yml``; ``weights`` fetches and converts the weights (``download``,
``progress``); ``resolve`` accepts a name wherever a path is expected.
"""

from condinst.model_zoo.index import Model, get, list_models
from condinst.model_zoo.resolve import resolve_checkpoint, resolve_config
from condinst.model_zoo.weights import fetch

__all__ = ["Model", "fetch", "get", "list_models", "resolve_checkpoint", "resolve_config"]
