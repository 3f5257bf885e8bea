"""Files of label maps: pixels, types, and that condinst new reads them back."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from three_instances import make_results

from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.label_maps import read_label_maps
from condinst.dataset_converters.mask_pairs import find_pairs
from condinst.dataset_converters.records import Notes
from condinst.masks.crop import Crop
from condinst.results.label_files import save_label_map
from condinst.results.results import Results


@pytest.mark.parametrize(("tiff", "name"), [(False, "a.b.png"), (True, "a.b.tif")])
def test_files_hold_the_label_map(tmp_path, tiff, name):
    results, _ = make_results()
    path = save_label_map(results, tmp_path / "a.b", tiff)
    assert path.name == name
    with Image.open(path) as image:
        assert image.mode == ("I" if tiff else "I;16")
        assert np.array_equal(np.asarray(image), results.to_label_map())


def test_more_than_16_bits_become_a_tiff(tmp_path):
    count = 65_536
    crops = [Crop(np.ones((1, 1), bool), i % 256, i // 256) for i in range(count)]
    results = Results(
        image_size=(256, 256),
        boxes=np.zeros((count, 4)),
        scores=np.ones(count),
        labels=np.zeros(count, int),
        crops=crops,
        class_names=["cell"],
    )
    path = save_label_map(results, tmp_path / "many", False)
    assert path.name == "many.tif"
    with Image.open(path) as image:
        assert np.asarray(image)[-1, -1] == 65_536
        assert len(np.unique(np.asarray(image))) == 65_536


@pytest.mark.parametrize("tiff", [False, True])
def test_condinst_new_reads_them(tmp_path, tiff):
    results, _ = make_results()
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    black = np.zeros(results.image_size, np.uint8)
    Image.fromarray(black).save(tmp_path / "images" / "cell.png")
    save_label_map(results, tmp_path / "labels" / "cell", tiff)
    folder = Folder.listed(tmp_path)
    (record,) = read_label_maps(folder, find_pairs(folder), "instances", Notes()).images
    drawn = results.to_label_map()
    expected = [drawn == number for number in (1, 2, 3)]
    read = [coco_mask.decode(one["segmentation"]).astype(bool) for one in record.objects]
    assert np.array_equal(read, expected)
