import numpy as np
import pytest
from PIL import Image

from condinst.datasets.image_statistics import channel_mean_std


def test_mean_and_spread_are_numpy_s_over_all_pixels(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 200 + i, (20 + i, 30, 3), dtype=np.uint8) for i in range(4)]
    paths = []
    for i, image in enumerate(images):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(paths[-1])
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]).astype(float)
    mean, std = channel_mean_std(paths)
    np.testing.assert_allclose(mean, pixels.mean(axis=0))  # red first
    np.testing.assert_allclose(std, pixels.std(axis=0))
    first_and_last = np.concatenate([images[i].reshape(-1, 3) for i in (0, 3)]).astype(float)
    np.testing.assert_allclose(channel_mean_std(paths, max_images=2)[0], first_and_last.mean(0))


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_16_bits_of_any_channels(tmp_path, channels):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    np.save(tmp_path / "a.npy", values)
    mean, std = channel_mean_std([tmp_path / "a.npy"], channels=channels, dtype="uint16")
    np.testing.assert_allclose(mean, values.reshape(-1, channels).astype(float).mean(axis=0))
    np.testing.assert_allclose(std, values.reshape(-1, channels).astype(float).std(axis=0))


def test_a_channel_of_one_value_can_be_divided_by_its_spread(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 5), 7, np.uint8))
    assert channel_mean_std([tmp_path / "a.npy"], channels=1) == ((7.0,), (1.0,))


def test_wrong_paths(tmp_path):
    with pytest.raises(ValueError, match="got 0 paths"):
        channel_mean_std([])
    with pytest.raises(FileNotFoundError, match="gone"):
        channel_mean_std([tmp_path / "gone.png"])
