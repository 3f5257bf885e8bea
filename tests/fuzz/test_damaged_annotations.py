"""Damaged annotation files end in a report or one message: no traceback, signal, hang, nor 1 GB."""

import itertools
import shutil
import sys

import pytest
from coco_commands import COMMANDS
from coco_fuzz import damaged_coco
from folder_commands import new_of_folder
from folder_fuzz import KINDS
from harness import run_cases

import condinst.data_report
import condinst.dataset_converters.importer
import condinst.dataset_converters.tile_coco
import condinst.datasets.checks.checks
import condinst.new.creation  # noqa: F401  what is imported here is not in every process of a case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's here")


def coco_cases(shapes, tmp_path, family, seeds, commands):
    data, images = shapes

    def make(seed, name):
        def case():
            folder = tmp_path / f"{family}{seed}{name}"
            folder.mkdir()
            file = folder / "broken.json"
            file.write_bytes(damaged_coco(data, family, seed))
            COMMANDS[name](file, images, folder / "out")
            shutil.rmtree(folder)

        return case

    return [(f"{family} {s} {n}", make(s, n)) for s in seeds for n in commands]


def folder_cases(tmp_path, seeds):
    def make(kind, seed):
        def case():
            folder = tmp_path / f"{kind}{seed}"
            new_of_folder(kind, seed, folder)
            shutil.rmtree(folder)

        return case

    return [(f"{k} {s}", make(k, s)) for s in seeds for k in KINDS]


@pytest.mark.parametrize(
    ("files", "folders"), [(8, 1), pytest.param(40, 3, marks=pytest.mark.long)]
)
def test_a_few(shapes, tmp_path, files, folders):
    names = itertools.cycle(COMMANDS)
    cases = []
    for seed in range(files):
        cases += coco_cases(shapes, tmp_path, "structure", [seed], [next(names)])
        cases += coco_cases(shapes, tmp_path, "polygons", [seed], [next(names)])
    cases += folder_cases(tmp_path, range(folders))
    assert run_cases(cases, tmp_path) == {}


def test_collected_files(datasets, tmp_path):
    """Every collected file, with each command: one message that names the file, or a result."""
    folder = datasets / "cases" / "coco_json"
    paths = sorted(folder.glob("*.json"))
    assert len(paths) > 20

    def make(path, name):
        def case():
            place = tmp_path / f"{path.stem}{name}"
            place.mkdir()
            shutil.copy(path, place / path.name)
            COMMANDS[name](place / path.name, folder / "shapes" / "val", place / "out")

        return case

    cases = [(f"{path.name} {name}", make(path, name)) for path in paths for name in COMMANDS]
    assert run_cases(cases, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_two_thousand_coco_files(shapes, tmp_path, name):
    cases = coco_cases(shapes, tmp_path, "structure", range(1500), [name])
    cases += coco_cases(shapes, tmp_path, "polygons", range(500), [name])
    assert run_cases(cases, tmp_path) == {}


@pytest.mark.slow
def test_folders_of_other_formats(tmp_path):
    assert run_cases(folder_cases(tmp_path, range(300)), tmp_path) == {}


def test_a_process_that_dies_is_told_by_name_and_the_next_case_runs(tmp_path):
    """Of the harness: a signal, an error, and a case behind them that writes a file."""
    import os
    import signal

    def dies():
        os.kill(os.getpid(), signal.SIGSEGV)

    def fails():
        raise KeyError("gone")

    ran = tmp_path / "ran"
    found = run_cases([("a", dies), ("b", fails), ("c", ran.touch)], tmp_path)
    assert found["a"] == "ended by SIGSEGV"
    assert "KeyError: 'gone'" in found["b"]
    assert set(found) == {"a", "b"}
    assert ran.exists()
