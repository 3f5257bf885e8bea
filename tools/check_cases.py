"""Import folders of annotations and print what was expected beside what was found.

The file of cases is JSON: the name of a folder -> what is right, with any of the keys ``images``,
``objects`` (without crowds, a number for each image, ascending), ``crowds``, ``classes``,
``note`` (a part of a note), ``error`` (a part of the message that refuses the folder),
``masks`` (the option of condinst new), and ``folder`` (the folder's name, if the case has another).
Folders without a case are named at the end.

    python tools/check_cases.py FOLDER CASES.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from condinst.dataset_converters import import_data


def look(folder: Path, masks: str | None = None) -> dict[str, Any]:
    """Import a folder and return its counts, classes and notes, or the error."""
    with tempfile.TemporaryDirectory() as out:
        try:
            made = import_data(folder, out, masks=masks)
        except (ValueError, FileNotFoundError) as error:
            return {"error": str(error)}
        objects: Counter[tuple[str, Any]] = Counter()
        crowds = 0
        for name in ("train", "val", "test"):
            if (split := getattr(made, name)) is None:
                continue
            content = json.loads(Path(split.ann_file).read_text(encoding="utf-8"))
            objects.update({(name, image["id"]): 0 for image in content["images"]})
            for annotation in content["annotations"]:
                if annotation["iscrowd"]:
                    crowds += 1
                else:
                    objects[name, annotation["image_id"]] += 1
    return {
        "format": made.format,
        "images": len(objects),
        "objects": sorted(objects.values()),
        "crowds": crowds,
        "classes": list(made.classes),
        "note": "\n".join(made.notes),
    }


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return a line for each expected value that was not found."""
    lines = []
    if "error" in found and "error" not in expected:
        return [f"refused: {found['error']}"]
    for key, value in expected.items():
        if key in ("masks", "folder"):
            continue
        got = found.get(key)
        if key in ("note", "error"):
            parts = value if isinstance(value, list) else [value]
            lines += [
                f"{key}: expected {part!r}, got {got!r}"
                for part in parts
                if part not in (got or "")
            ]
        elif got != value:
            lines.append(f"{key}: expected {value}, got {got}")
    return lines


def without_case(folder: Path, cases: dict[str, Any]) -> list[str]:
    """Return the names of the folders that no case is about."""
    known = {expected.get("folder", name) for name, expected in cases.items()}
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name not in known
    )


def main() -> int:
    """Print a line for each case; the exit code is 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the cases' folders")
    parser.add_argument("cases", type=Path, help="JSON: name of a folder -> what is right")
    args = parser.parse_args()
    cases = json.loads(args.cases.read_text(encoding="utf-8"))
    wrong = 0
    for name, expected in cases.items():
        found = look(args.folder / expected.get("folder", name), expected.get("masks"))
        lines = differences(expected, found)
        wrong += bool(lines)
        print(f"{'DIFFERS' if lines else 'right':8}{name}")
        print(f"    expected  {json.dumps(expected)}")
        print(f"    found     {json.dumps(found)[:600]}")
        for line in lines:
            print(f"    {line}")
    for name in without_case(args.folder, cases):
        print(f"no case {name}")
    print(f"{wrong} cases differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
