"""The transforms and the data checks that mmdet lacks."""

from condinst.datasets.load_annotations import LoadAnnotations
from condinst.datasets.load_image import LoadImageFromFile

__all__ = ["LoadAnnotations", "LoadImageFromFile"]
