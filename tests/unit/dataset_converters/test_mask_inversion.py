"""Masks whose background has another value than 0, with most objects at the border."""

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data
from condinst.dataset_converters.mask_inversion import may_be_inverted, seems_inverted

SHAPE = 90, 140
# x, y, radius; all but one reach the border
AT_BORDER = [(0, 10, 18), (40, 0, 20), (100, 4, 22), (139, 60, 20), (20, 89, 25), (75, 45, 12)]
CROWDED = [(x, y, 12) for x in range(12, 140, 26) for y in range(12, 90, 26)]


def discs(places):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made = np.zeros(SHAPE, bool)
    for x, y, r in places:
        made |= (xx - x) ** 2 + (yy - y) ** 2 <= r * r
    return made


def lines(step):
    """Return cells parted by lines of 2 pixels."""
    made = np.ones(SHAPE, bool)
    for start in range(step // 2, 140, step):
        made[:, start : start + 2] = False
        made[start : start + 2] = False
    return made


def test_objects_at_the_border():
    assert seems_inverted(~discs(AT_BORDER))
    assert not seems_inverted(discs(AT_BORDER))
    assert not may_be_inverted(discs(AT_BORDER))


@pytest.mark.parametrize(
    "right",
    [
        discs([(70, 45, 75)]),  # fills the image but its corners
        discs([(40, 45, 60), (120, 45, 40)]),
        lines(30),
        discs(CROWDED),
        discs([(30, 30, 12), (90, 60, 12)]),
    ],
)
def test_right_masks_are_let_pass(right):
    assert not seems_inverted(right)


def test_what_cannot_be_told():
    """One object at a corner or one that lacks it; a net or the background of cells."""
    one = ~discs([(0, 0, 60)])
    assert not seems_inverted(one)
    assert may_be_inverted(one)
    net = ~discs(CROWDED)
    assert net.mean() < 0.5
    assert not seems_inverted(net)
    assert may_be_inverted(net)
    assert not may_be_inverted(discs(CROWDED))


@pytest.fixture
def data(tmp_path):
    def write(mask, masks="masks/{}.png"):
        for seed, name in enumerate("abc"):
            noise = np.random.default_rng(seed).integers(0, 255, (*SHAPE, 3), np.uint8)
            for path, pixels in (("images/{}.png", noise), (masks, mask)):
                file = tmp_path / "data" / path.format(name)
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
        return tmp_path / "data"

    return write


@pytest.mark.parametrize("masks", ["masks/{}.png", "masks/{}_0.png"])
def test_a_refusal_and_its_way_out(data, tmp_path, all_objects, masks):
    folder = data(np.uint8(255) * ~discs(AT_BORDER), masks)
    with pytest.raises(ValueError, match="they look inverted. Write 0.*--masks"):
        import_data(folder, tmp_path / "out")
    found = all_objects(import_data(folder, tmp_path / "two", masks="instances"))
    assert [len(objects) for objects in found.values()] == [1, 1, 1]


@pytest.mark.parametrize("masks", ["masks/{}.png", "masks/{}_0.png"])
def test_a_warning_where_the_files_cannot_tell(data, tmp_path, note, masks):
    imported = import_data(data(np.uint8(255) * ~discs([(0, 0, 60)]), masks), tmp_path / "out")
    assert "3 of 3 masks may be inverted" in note(imported, "Warning")
    asked = import_data(data(np.uint8(255) * discs(AT_BORDER), masks), tmp_path / "two")
    assert not [sentence for sentence in asked.notes if "inverted" in sentence]


def test_a_background_with_a_value_is_told_also_where_masks_are_said_to_be_instances(
    tmp_path, draw, write_png, note
):
    for i, name in enumerate("abc"):
        mask = np.full((30, 40), 100, np.uint8)  # CARLA's road
        mask[5:12, 5:12], mask[5:12, 20:30] = 3 + i, 9 + i
        draw(tmp_path / f"images/{name}.png", value=i)
        write_png(tmp_path / f"masks/{name}.png", mask)
    imported = import_data(tmp_path, tmp_path / "out", masks="instances")
    assert note(imported, "may be inverted").startswith("Warning: 3 of 3 masks")
