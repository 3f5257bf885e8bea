"""Folders as programs write them give the right images, objects and classes, or are refused."""

import importlib.util
import json
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]
CASES = json.loads((REPO / "tests/helpers/annotation_cases.json").read_text(encoding="utf-8"))


def _tool():
    spec = importlib.util.spec_from_file_location("check_cases", REPO / "tools/check_cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CASES)
def test_a_folder_of_cases(shared, name):
    folder = shared / "cases/annotations" / CASES[name].get("folder", name)
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    tool = _tool()
    assert tool.differences(CASES[name], tool.look(folder, CASES[name].get("masks"))) == []


def test_every_folder_has_a_case(shared):
    folder = shared / "cases/annotations"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    assert _tool().without_case(folder, CASES) == []


def test_what_has_no_case_is_named(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    assert _tool().without_case(tmp_path, {"a": {}, "other": {"folder": "c"}}) == ["b"]


def test_differences_are_named():
    tool = _tool()
    found = {"images": 4, "objects": [1], "note": "a b", "classes": ["x"]}
    assert tool.differences({"images": 4, "note": "b"}, found) == []
    assert tool.differences({"images": 5, "note": "c"}, found) == [
        "images: expected 5, got 4",
        "note: expected 'c', got 'a b'",
    ]
    assert tool.differences({"images": 5}, {"error": "no"}) == ["refused: no"]
    assert tool.differences({"error": "ye"}, {"error": "yes"}) == []
