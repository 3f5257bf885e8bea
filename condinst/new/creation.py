"""Create a folder with a config that trains on given annotations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.datasets.coco.file_cache import forget_files
from condinst.new.facts import collect_facts, describe, notes_on
from condinst.new.models import check_name, find_recipe, weights_note
from condinst.new.plan import Places, make_plan
from condinst.new.resources import check_memory, find_machine
from condinst.new.text import config_text
from condinst.utils.files import check_writable, replacing

if TYPE_CHECKING:
    from condinst.dataset_converters import Imported

_CONFIG_FOLDER = "{{ fileDirname }}/"  # mmengine replaces it by the folder of the config


@dataclass(frozen=True)
class Created:
    """The config that was written.

    Attributes:
        config: the config file.
        text: its content.
        facts: (name, value) pairs that describe the data.
        notes: sentences on the import, the classes and the weights.
        max_iters: iterations of the training; the last checkpoint is named after them.
        warnings: sentences on the data that a user has to see.
    """

    config: Path
    text: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    max_iters: int
    warnings: Sequence[str] = ()


def create(
    name: str,
    data: str | Path,
    *,
    model: str | None = None,
    out: str | Path | None = None,
    val_fraction: float = 0.2,
    seed: int = 0,
    fmt: str | None = None,
    masks: str | None = None,
    mask_folder: str | None = None,
    device: str = "auto",
    memory: float | None = None,
    from_scratch: bool = False,
    force: bool = False,
) -> Created:
    """Write ``OUT/NAME.py``, and ``OUT/annotations`` unless COCO's split files are used.

    Args:
        name: name of the config, and of the folder if ``out`` is not given.
        data: folder or file of annotations, see ``condinst.dataset_converters.import_data``.
        model: a name of ``condinst.new.models.NAMES`` or of ``condinst list``; None chooses one.
        out: the folder to write to.
        val_fraction, seed: of the split, where the data have none.
        fmt: format of the annotations; None recognizes it.
        masks: what the values of masks mean; None finds out.
        mask_folder: the name of the folders of masks; None knows them by usual names.
        device: "auto", "cpu" or "cuda".
        memory: GiB of the device; None takes what it has.
        from_scratch: start without weights.
        force: replace an existing config; other files in the folder stay.

    Raises:
        ValueError: an argument is invalid, or the data cannot be used; the message says which.
        OSError: a file is missing or cannot be written.
    """
    check_name(name)
    stem = name.removesuffix(".py")
    folder = Path(os.path.abspath(out or stem))
    config = folder / f"{stem}.py"
    _check_place(folder, config, force)
    check_memory(memory)
    if device == "cuda":  # before the data are read: without a GPU this is an error
        find_machine(device, memory)
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _create(
            stem,
            config,
            _Source(data, val_fraction, seed, fmt, masks, mask_folder),
            (device, memory),
            model=model,
            from_scratch=from_scratch,
        )
    except BaseException:
        if not existed:  # the folder holds only files that were written here
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        forget_files()


@dataclass(frozen=True)
class _Source:
    """The arguments of the import."""

    data: str | Path
    val_fraction: float
    seed: int
    fmt: str | None
    masks: str | None
    mask_folder: str | None


def _create(
    name: str,
    config: Path,
    source: _Source,
    asked_machine: tuple[str, float | None],
    *,
    model: str | None,
    from_scratch: bool,
) -> Created:
    from condinst.dataset_converters import import_data

    imported = import_data(
        source.data,
        config.parent,
        val_fraction=source.val_fraction,
        seed=source.seed,
        fmt=source.fmt,
        masks=source.masks,
        mask_folder=source.mask_folder,
    )
    machine = find_machine(*asked_machine)  # imports PyTorch, which takes seconds
    places = _places(imported, config.parent)
    _check_templates(imported.classes, places)
    facts = collect_facts(imported.train, imported.val)
    recipe = find_recipe(model, machine, facts.masks[0], from_scratch)
    plan = make_plan(
        name,
        places,
        facts,
        machine,
        recipe,
        from_scratch=from_scratch,
    )
    text = config_text(plan)
    _write(config, text)
    notes = [
        f"format: {imported.format}",
        *imported.notes,
        *_note_on_test(imported),
        *notes_on(facts),
        *([f"model: {recipe.name}, {recipe.why}"] if recipe.why else []),
        weights_note(recipe, plan.base, from_scratch),
    ]
    if plan.views.tiles:
        notes.append(
            f"large images: predict and test with --tile {plan.views.tiles}, so that objects have "
            "the same size as in training"
        )
    return Created(config, text, describe(facts), notes, plan.schedule.max_iters, imported.warnings)


def _note_on_test(imported: Imported) -> list[str]:
    if imported.test is None:
        return []
    test = imported.test
    return [
        f"the {test.num_images} images of the test split, with {test.num_annotations} annotations, "
        "are what condinst test measures on (test_dataloader)"
    ]


def _check_place(folder: Path, config: Path, force: bool) -> None:
    check_writable("--out", folder)
    if force or not folder.exists():
        return
    if any(folder.iterdir()):
        found = config.name if config.exists() else "files"
        raise ValueError(
            f"{folder}: expected a new or empty folder, found {found}. --force replaces "
            f"{config.name} and annotations and leaves other files alone"
        )


def _places(imported: Imported, folder: Path) -> Places:
    """Return one root for images and the user's annotations.

    Annotations that were written here stay relative to the config, so that both can be moved.
    """
    splits = (imported.train, imported.val, *([imported.test] if imported.test else []))
    written = [split.ann_file.is_relative_to(folder) for split in splits]
    paths = [str(split.img_dir) for split in splits]
    paths += [str(s.ann_file.parent) for s, own in zip(splits, written, strict=True) if not own]
    try:
        root = Path(os.path.commonpath(paths))
    except ValueError:  # on different drives of Windows
        root = Path(splits[0].img_dir)

    def relative(path: Path) -> str:
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

    def of_annotations(path: Path, own: bool) -> str:
        if own:
            return _CONFIG_FOLDER + path.relative_to(folder).as_posix()
        return relative(path)

    files = [of_annotations(s.ann_file, own) for s, own in zip(splits, written, strict=True)]
    dirs = [f"{relative(Path(split.img_dir))}/".removeprefix("./") for split in splits]
    return Places(
        root=f"{root.as_posix().rstrip('/')}/", ann_files=tuple(files), img_dirs=tuple(dirs)
    )


def _check_templates(classes: Sequence[str], places: Places) -> None:
    """Refuse names with "{{", which mmengine replaces in the text of a config."""
    paths = [places.root, *places.ann_files, *places.img_dirs]
    named = [("class", name) for name in classes]
    named += [("path", path.removeprefix(_CONFIG_FOLDER)) for path in paths]
    for what, name in named:
        if "{{" in name:
            raise ValueError(f"{what} {name!r}: expected a name without '{{{{'; rename it")


def _write(config: Path, text: str) -> None:
    """Write the config file after checking its data as a training would."""
    from condinst.config.read import read_config_file
    from condinst.datasets.checks.checks import check_datasets

    with replacing(config, ".py") as partial:  # mmengine reads only files with this suffix
        partial.write_text(text, encoding="utf-8")
        check_datasets(read_config_file(partial))
