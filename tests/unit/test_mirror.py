"""The files of tests/unit mirror the modules, so that the tests of a line are found by its path."""

from __future__ import annotations

from pathlib import Path

# files that test what several modules do together
ACROSS = {
    "benchmarks/test_data_benchmarks.py": "the three benchmarks of the data, which share a context",
    "compat/test_payloads.py": "hostile files by every reader of checkpoints",
    "compat/test_upstream.py": "parts of mmengine and mmdet with all fixes applied",
    "datasets/transforms/test_collected_configs.py": "pipelines of other people's configs",
    "datasets/transforms/test_transform_matrix.py": "all transforms of mmdet",
    "models/backbones/test_detectors.py": "the detector on many backbones and necks",
    "models/test_mixed_annotations.py": "losses of detectors on images with masks and boxes",
    "test_docs.py": "the pages of documentation and the site",
    "test_layers.py": "the whole package",
    "test_mirror.py": "the tests",
    "test_public_names.py": "the whole package",
    "test_types.py": "the whole package",
}


def _modules(repo: Path) -> set[str]:
    """Return the modules and packages that a test file may be named after, without suffix."""
    roots = {"condinst": "condinst", "benchmarks": ".", "examples": ".", "tests/helpers": "tests"}
    return {
        path.relative_to(repo / root).with_suffix("").as_posix()
        for folder, root in roots.items()
        for path in (repo / folder).rglob("*")
        if path.suffix == ".py" or path.is_dir()
    }


def _is_named_after(test: Path, modules: set[str]) -> bool:
    """Tell whether a file is called test_MODULE.py or test_MODULE_TOPIC.py in MODULE's place."""
    words = test.stem.removeprefix("test_").split("_")
    heads = ("_".join(words[:end]) for end in range(1, len(words) + 1))
    return any((test.parent / head).as_posix() in modules for head in heads)


def test_each_file_is_named_after_what_it_tests(repo):
    modules = _modules(repo)
    folder = repo / "tests/unit"
    tests = [path.relative_to(folder) for path in folder.rglob("test_*.py")]
    assert len(tests) > 150
    strange = {test.as_posix() for test in tests if not _is_named_after(test, modules)}
    assert strange == set(ACROSS)
    assert _is_named_after(Path("masks/test_rle.py"), modules)
    assert not _is_named_after(Path("masks/test_boxes.py"), modules)
