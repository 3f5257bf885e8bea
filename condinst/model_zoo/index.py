"""Read ``model-index.yml`` and its metafiles: one entry for each model."""

from __future__ import annotations

import difflib
import fnmatch
import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from condinst.compat.base_configs import find_root

PACKAGED = Path(__file__).with_name("packaged")
"""The folder of the models that come with the package: a file NAME.pth is the model NAME's."""


@dataclass(frozen=True)
class Model:
    """One entry of the index; None stands for what is not known or not published.

    Attributes:
        name: name of the model, such as "condinst_r50_fpn_1x".
        collection: the group of models, such as "CondInst" or "BoxInst".
        config: the config file.
        paper: URL.
        training_data: name of the dataset.
        iterations: number of training iterations.
        dataset: the dataset of ``box_ap`` and ``mask_ap``; "COCO" is val2017.
        box_ap: box AP on it in percent, as published with the weights.
        mask_ap: mask AP on it likewise.
        mask_ap_test_dev: published mask AP on COCO test-dev, in percent.
        measured_box_ap: box AP that we measured with these weights on COCO val2017, in percent.
        measured_mask_ap: mask AP that we measured likewise, in percent.
        weights: URL as published.
        mirrors: other URLs of the same file, in the order in which they are tried.
        weights_file: the weights' file name, in a folder of weights and in the cache.
        sha256: hexadecimal digits of the file's checksum: all 64, or the first 8.
        layout: "original" or "mmdet", see ``condinst.checkpoints``.
        license: license of the weights.
        repository: URL of the program that the weights come from.
        source_config: the model's config file there.
        note: what is known of the file, such as who has fetched it.
    """

    name: str
    collection: str
    config: Path
    paper: str | None = None
    training_data: str | None = None
    iterations: int | None = None
    dataset: str = "COCO"
    box_ap: float | None = None
    mask_ap: float | None = None
    mask_ap_test_dev: float | None = None
    measured_box_ap: float | None = None
    measured_mask_ap: float | None = None
    weights: str | None = None
    mirrors: tuple[str, ...] = ()
    weights_file: str | None = None
    sha256: str | None = None
    layout: str | None = None
    license: str | None = None
    repository: str | None = None
    source_config: str | None = None
    note: str | None = None

    @property
    def packaged(self) -> Path | None:
        """The weights' file that comes with the package, None if there is none."""
        path = PACKAGED / f"{self.name}.pth"
        return path if path.is_file() else None


def list_models(pattern: str | None = None) -> list[str]:
    """Return the names of the models in the order of the index, also of those without weights.

    Args:
        pattern: wildcard pattern that the names must match, such as ``"boxinst_*"``.

    Raises:
        TypeError: the pattern is no text.
    """
    if not isinstance(pattern, str | None):
        raise TypeError(f"pattern={pattern!r}: expected a wildcard pattern such as 'boxinst_*'")
    return [name for name in load_index() if pattern is None or fnmatch.fnmatchcase(name, pattern)]


def get(name: str) -> Model:
    """Return the entry of a model.

    Raises:
        ValueError: there is no such model; the message lists similar names.
    """
    models = load_index()
    if name not in models:
        raise ValueError(unknown(name, "a model's name"))
    return models[name]


def unknown(name: str, expected: str, known: Collection[str] | None = None) -> str:
    """Return the message for a name that is not in the index, or not one of ``known``."""
    close = difflib.get_close_matches(name, known or load_index(), n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else "condinst list prints all names"
    return f"{name}: expected {expected}; {hint}"


@functools.cache
def load_index() -> dict[str, Model]:
    """Return all entries by name.

    Raises:
        FileNotFoundError: the package was installed without its index.
    """
    root = find_root()
    models: dict[str, Model] = {}
    for metafile in _read(root / "model-index.yml")["Import"]:
        content = _read(root / metafile)
        collections = {entry["Name"]: entry for entry in content["Collections"]}
        for entry in content["Models"]:
            model = _parse(entry, collections[entry["In Collection"]], root)
            assert model.name not in models, f"{metafile}: {model.name} is listed twice"
            models[model.name] = model
    return models


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _parse(entry: dict[str, Any], collection: dict[str, Any], root: Path) -> Model:
    results = {
        (result["Dataset"], metric): value
        for result in entry.get("Results", ())
        for metric, value in result["Metrics"].items()
    }
    metadata = collection["Metadata"] | entry.get("Metadata", {})
    measured = entry.get("Measured", {})
    origin = entry.get("Weights From", {})
    weights = entry.get("Weights")
    dataset = next((name for name, _ in results), "COCO")
    return Model(
        name=entry["Name"],
        collection=entry["In Collection"],
        config=root / entry["Config"],
        paper=collection["Paper"]["URL"],
        training_data=metadata["Training Data"],
        iterations=metadata["Iterations"],
        dataset=dataset,
        box_ap=results.get((dataset, "box AP")),
        mask_ap=results.get((dataset, "mask AP")),
        mask_ap_test_dev=results.get(("COCO test-dev", "mask AP")),
        measured_box_ap=measured.get("box AP"),
        measured_mask_ap=measured.get("mask AP"),
        weights=weights,
        mirrors=tuple(entry.get("Mirrors", ())),
        weights_file=entry.get("Weights File") or (weights and Path(urlparse(weights).path).name),
        sha256=entry.get("SHA256"),
        layout=origin.get("Layout"),
        license=origin.get("License"),
        repository=origin.get("Repository"),
        source_config=entry.get("Source Config"),
        note=origin.get("Note"),
    )
