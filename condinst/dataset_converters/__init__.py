"""Annotations of other programs, made COCO json with a split into training and validation."""

from condinst.dataset_converters.importer import FORMATS, import_data
from condinst.dataset_converters.records import Imported, Split

__all__ = ["FORMATS", "Imported", "Split", "import_data"]
