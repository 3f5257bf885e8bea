"""What does not need albumentations; the matrix of transforms tries the rest if it is there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import transform_matrix as matrix
from mmdet.datasets.transforms import transforms as upstream

from condinst.datasets.transforms.albu import Albu


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("import a_part_of_it", "which is installed and cannot be imported: No module named 'a_p"),
        (None, "Albu needs albumentations: pip install albumentations"),
    ],
)
def test_why_albumentations_is_not_there(tmp_path, monkeypatch, content, text):
    monkeypatch.setattr(upstream, "Compose", None)  # as mmdet leaves it after a failed import
    for name in [n for n in sys.modules if n.partition(".")[0] == "albumentations"]:
        monkeypatch.delitem(sys.modules, name)
    if content is None:
        monkeypatch.setitem(sys.modules, "albumentations", None)
    else:
        (tmp_path / "albumentations.py").write_text(content)
        monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=text):
        Albu([{"type": "HorizontalFlip"}])


def albu(change):
    """Return the transform with ``change`` of the image in place of albumentations."""
    transform = object.__new__(Albu)
    transform.keymap_to_albu, transform.skip_img_without_anno, transform._is_x = {}, False, False
    transform.aug = lambda **given: {**given, "image": change(given["image"])}
    return transform


def test_wrong_values_of_16_bits_are_refused():
    pixels = matrix.PIXELS["gray, 16 bits"]
    with pytest.raises(ValueError, match=r"mixed-1.png: Albu: a transform made float64 of uint16"):
        albu(lambda image: image * 0.5)(matrix.sample("mixed", 1, pixels=pixels))
    found = albu(lambda image: image // 2)(matrix.sample("mixed", 1, pixels=pixels))
    assert found["img"].dtype == np.uint16
    assert found["img"].max() == 32767
