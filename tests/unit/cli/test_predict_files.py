"""Which files ``condinst predict`` writes for its sources, and which it would replace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from three_instances import SIZE, make_results

from condinst.cli.predict_files import OutputFiles
from condinst.cli.predict_output import FORMATS, ImageOutput


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    return path


def write(out: Path, image: Path, formats=FORMATS) -> None:
    output = ImageOutput(out, formats, ("cat", "dog"), draw=True, boxes=True, closeups=True)
    with output:
        output.write(make_results(path=image)[0])


def written(out: Path) -> set[Path]:
    return {path for path in out.rglob("*") if path.is_file() and path.name[0] != "."}


def test_all_files_are_known_beforehand(image, tmp_path):
    """Otherwise a file of others would be found only after hours, or never."""
    out = tmp_path / "out"
    write(out, image)
    files = OutputFiles(out, FORMATS, draw=True, closeups=True)
    known = {*files.of_image("a", image), *files.of_all()}
    assert written(out) == known - {out / "labels" / "a.png"}  # labels-tiff writes a.tif
    assert files.of_video("film") == [out / "film.mp4"]


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "a_edges.png",
        "a_instances.png",
        "a.json",
        "labels/a.tif",
        "annotations.json",
        "predictions.jsonl",
        "yolo/labels/train/a.txt",
        "yolo/data.yaml",
        "annotations.xml",
        "cvat_labels.json",
        "labelstudio.json",
        "labelstudio_config.xml",
    ],
)
def test_no_file_of_others_is_replaced(image, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("theirs")
    with pytest.raises(ValueError, match=f"--out .*: {name} there is not from condinst predict"):
        OutputFiles(out, FORMATS, draw=True, closeups=True).check_sources([image], [])
    with pytest.raises(ValueError, match=f"--out .*: {name} there is not from condinst predict"):
        write(out, image)
    assert (out / name).read_text() == "theirs"


def test_an_output_is_replaced_until_somebody_corrects_it(image, tmp_path):
    out = tmp_path / "out"
    write(out, image)
    OutputFiles(out, FORMATS, draw=True, closeups=True).check_sources([image], [])
    write(out, image)
    draft = out / "a.json"
    draft.write_text(draft.read_text() + " ")
    with pytest.raises(ValueError, match="a.json there was changed after condinst predict had"):
        write(out, image)
    OutputFiles(out, ["coco"], draw=True, closeups=True).check_sources([image], [])
