"""Read COCO files; the whole package uses this reader."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "CocoFile": "coco_records",
    "EntryIssue": "entry_issues",
    "Segmentation": "coco_entries",
    "load_json": "json_stream",
    "parse_coco": "coco_file",
    "read_coco_file": "coco_file",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.datasets.coco.coco_entries import Segmentation as Segmentation
    from condinst.datasets.coco.coco_file import parse_coco as parse_coco
    from condinst.datasets.coco.coco_file import read_coco_file as read_coco_file
    from condinst.datasets.coco.coco_records import CocoFile as CocoFile
    from condinst.datasets.coco.entry_issues import EntryIssue as EntryIssue
    from condinst.datasets.coco.json_stream import load_json as load_json
else:
    __getattr__ = lazy_names(__name__, _MODULES)
