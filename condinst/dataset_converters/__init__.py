"""Annotations of other programs, made COCO json with a split into training and validation."""

from condinst.dataset_converters.importer import FORMATS, import_data
from condinst.dataset_converters.records import DatasetPart, Imported

__all__ = ["FORMATS", "Imported", "DatasetPart", "import_data"]
