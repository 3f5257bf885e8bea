"""Images of files, as the training side reads them too."""

import numpy as np
import pytest
from PIL import Image

from condinst.images.decode_bgr import decode_bgr
from condinst.images.sources import read_image, to_rgb


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "floating point"), ("int32", "32-bit")])
def test_pixels_without_a_range_are_refused_on_both_sides(tmp_path, dtype, kind):
    path = tmp_path / "image.tif"
    Image.fromarray(np.full((4, 6), 300, dtype)).save(path)
    with pytest.raises(ValueError, match=f"image.tif.*{kind}.* no defined range"):
        read_image(path)
    with pytest.raises(ValueError, match=f"{kind}.* no defined range"):
        to_rgb(Image.open(path))
    with pytest.raises(ValueError, match=f"{kind}.* no defined range"):
        decode_bgr(path.read_bytes(), "color", "pillow")


@pytest.mark.parametrize("name", ["gray.png", "gray.tif"])
def test_sixteen_bits_are_read_as_the_training_side_reads_them(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(np.arange(0, 65536, 2731, dtype=np.uint16).reshape(4, 6)).save(path)
    expected = decode_bgr(path.read_bytes(), "color", "pillow")
    assert read_image(path).tolist() == expected[:, :, ::-1].tolist()
