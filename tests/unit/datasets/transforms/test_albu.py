"""Test the messages where albumentations cannot be imported."""

import sys

import pytest
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
