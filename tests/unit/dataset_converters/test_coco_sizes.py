"""Test that sizes which a COCO file lacks come from the image files."""

import pytest
from coco_dicts import triangles_dict, written_entries

from condinst.dataset_converters import import_data


@pytest.fixture
def write(tmp_path, draw, write_json):
    """Write five images of 120 x 90 and their annotations, with changed images."""

    def make(size=(120, 90), **changes):
        names = [draw(tmp_path / f"d/images/{i}.png", size, value=i).name for i in range(5)]
        data = triangles_dict(names)
        for image in data["images"]:
            image |= {"height": 90, "width": 120}
            for key, value in changes.items():
                image[key] = value
                if value is None:
                    del image[key]
        for entry in data["annotations"]:
            entry |= {"bbox": [60, 20, 50, 40], "segmentation": [[60, 20, 110, 20, 60, 60]]}
        write_json(tmp_path / "d/ann.json", data)
        return tmp_path / "d"

    return make


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(height=None, width=None), "5 of 5 images have no usable height and width"),
        (dict(height=0), "5 of 5 images have no usable height and width"),
        (dict(height=120, width=90), "such as 90 x 120 of 0.png, which is 120 x 90"),
    ],
)
def test_sizes_are_written(tmp_path, write, note, changes, said):
    imported = import_data(write(**changes), tmp_path / "out")
    sizes = {(i["height"], i["width"]) for i in written_entries(imported, "images")}
    assert sizes == {(90, 120)}
    assert said in note(imported, "height and width")


def test_a_size_that_the_annotations_do_not_fit(tmp_path, write):
    data = write(size=(40, 90), height=None)
    with pytest.raises(ValueError, match=r"0.png is 40 x 90, which its annotations do not fit"):
        import_data(data, tmp_path / "out")


def test_images_of_another_size(tmp_path, write):
    data = write(size=(240, 180))
    with pytest.raises(ValueError, match=r"5 of 5 .*0.png \(240 x 180, annotated 120 x 90\)"):
        import_data(data, tmp_path / "out")
