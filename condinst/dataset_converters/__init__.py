"""Convert annotations of other programs to COCO json, with a split into train and val."""

from condinst.dataset_converters.importer import FORMATS, import_data
from condinst.dataset_converters.records import DatasetSplit, Imported

__all__ = ["FORMATS", "Imported", "DatasetSplit", "import_data"]
