"""Test the choice of example images and their colors."""

import json

import numpy as np
import pytest
from mmengine.config import Config

from condinst.report import example_images as example_images
from condinst.report.analysis import ImageScore, analyze
from condinst.report.evaluated_split import read_split
from condinst.report.example_images import choose_images, draw_images
from condinst.report.run import read_run


def score(index, right, wrong, missed, quality):
    return ImageScore(index, right + missed, right, wrong, missed, quality)


def test_the_choice_by_hand():
    scores = [
        score(0, 3, 0, 0, 0.9),
        score(1, 0, 0, 0, None),  # nothing there, nothing found
        score(2, 0, 2, 0, 0.0),
        score(3, 0, 0, 4, 0.0),
        score(4, 5, 0, 0, 0.9),
        score(5, 1, 1, 1, 0.4),
        score(6, 2, 0, 1, 0.7),
    ]
    chosen = {name: [s.index for s in found] for name, found in choose_images(scores).items()}
    assert chosen == {
        "Worst images": [3, 2, 5],  # half of those that count
        "Best images": [4, 0, 6],
        "Most false positives": [2, 5],
        "Most missed objects": [3, 5, 6],
    }


@pytest.mark.parametrize("by_outcome", [False, True])
def test_colors_are_the_classes_or_what_is_right(work_dir, perfect, noise, monkeypatch, by_outcome):
    """The first object is missed; everything else is found; one detection is wrong."""
    if by_outcome:
        monkeypatch.setattr(example_images, "CROWDED", 1)
    first = perfect[0]
    found = [row for row in perfect[1:] if row["image_id"] == first["image_id"]]
    wrong = dict(noise[0], image_id=first["image_id"], score=0.99)
    path = work_dir / "predictions_val.json"
    path.write_text(json.dumps([*perfect[1:], wrong]))
    split = read_split(Config.fromfile(read_run(work_dir).config), "val")
    analysis = analyze(split, path)
    drawn = {}

    def draw(image, left, right, classes, score_thr, *, boxes, names):
        drawn.update(left=left, right=right, classes=classes, names=names)
        return image

    monkeypatch.setattr(example_images, "draw_panels", draw)
    index = split.truth.image_ids.index(first["image_id"])
    problems = []
    ((image, caption),) = draw_images(split, analysis, [analysis.images[index]], problems)
    assert problems == []
    assert image.shape == (96, 96, 3)
    assert caption.startswith(
        f"{split.file_names[index]}: {len(found)} of {len(found) + 1} found, 1"
    )
    names = [drawn["classes"][label] for label in drawn["left"].labels]
    found_names = [drawn["classes"][label] for label in drawn["right"].labels]
    category = dict(zip(split.truth.category_ids, split.class_names, strict=True))
    if by_outcome:
        assert names == ["wrong"] + ["right"] * len(found)
        assert found_names == ["right"] * len(found) + ["wrong"]
    else:
        assert names == [category[row["category_id"]] for row in [first, *found]]
        assert found_names == [category[row["category_id"]] for row in [*found, wrong]]
    assert drawn["names"] is not by_outcome
    areas = [np.count_nonzero(crop.mask) for crop in drawn["right"].masks]
    assert areas[-1] == 6  # the wrong one: 3 x 2 pixels
