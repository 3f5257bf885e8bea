"""The published models by name: their configs, their numbers, and where their weights are.

``index`` reads ``model-index.yml``, ``weights`` fetches and converts what it names (``download``,
``progress``), ``resolve`` takes a name wherever a path can stand.
"""

from condinst.model_zoo.index import Model, get, list_models
from condinst.model_zoo.resolve import resolve_checkpoint, resolve_config
from condinst.model_zoo.weights import fetch

__all__ = ["Model", "fetch", "get", "list_models", "resolve_checkpoint", "resolve_config"]
