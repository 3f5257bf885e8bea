"""Read COCO files; the whole package uses this reader."""

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
__getattr__ = lazy_names(__name__, _MODULES)
