"""BoxInst's targets: filled boxes and the similarities of colors."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from condinst.datasets import PrepareBoxTargets
from condinst.models.task_modules.ground_truth import box_masks, prepare_ground_truth
from condinst.targets.target_types import SimilarColors


def test_filled_boxes_cover_the_pixels_that_they_touch():
    """Columns 1 to 6 and rows 0 to 3 of 3 x 2 cells of 4 pixels, read at 2, 6 and 10.

    The second box ends beyond the map of 12 x 8 pixels, at which its pixels end too.
    """
    boxes = torch.tensor([[1.7, 0.2, 6.3, 3.0], [5.0, 6.5, 12.0, 8.0]])
    masks, centers = box_masks(boxes, (2, 3), 4)
    assert masks.int().tolist() == [[[1, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 1]]]
    assert centers.tolist() == [[3.5, 1.5], [8.0, 6.5]]


@pytest.mark.parametrize("stride", [2, 4])
def test_filled_boxes_are_those_of_bitmaps(stride):
    """As mmdet fills them: whole pixels from int(x1) to int(x2 + 1), their mean as the center."""
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 60, (20, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(0, 40, (20, 2))], 1)
    boxes = boxes.clip(0, 64).astype(np.float32)
    masks, centers = box_masks(torch.from_numpy(boxes), (64 // stride, 64 // stride), stride)
    for box, mask, center in zip(boxes, masks, centers, strict=True):
        bitmap = np.zeros((64, 64), bool)
        bitmap[int(box[1]) : int(box[3] + 1), int(box[0]) : int(box[2] + 1)] = True
        start = stride // 2
        assert mask.tolist() == bitmap[start::stride, start::stride].tolist()
        rows, columns = np.nonzero(bitmap)
        np.testing.assert_allclose(center, [columns.mean(), rows.mean()], rtol=1e-6)


def prepare(image, boxes, **kwargs):
    results = dict(
        img=image, gt_bboxes=np.array(boxes, np.float32).reshape(-1, 4), ori_shape=image.shape[:2]
    )
    return PrepareBoxTargets(**kwargs).transform(results)["gt_masks"]


def test_targets_need_no_masks_and_end_at_colors():
    """An image of a black and a white half of 16 x 16 pixels each: edges do not cross."""
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255
    colors = prepare(image, [[0, 0, 32, 16]], pairwise_dilation=1, bottom_pixels_removed=0)
    assert isinstance(colors, SimilarColors)
    assert len(colors) == 1
    right = colors.edges[4]  # (0, 1)
    assert right[0].tolist() == [True, True, True, False, True, True, True, False]
    left = colors.edges[3]  # beyond the image all is black
    assert left[0].tolist() == [True, True, True, True, False, True, True, True]


@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_the_channel_order_is_known(order):
    """The last channel, red in BGR and blue in RGB, rises by 8."""
    image = np.full((8, 16, 3), 128, np.uint8)
    image[:, 8:, 2] += 8
    color = (136, 128, 128) if order == "bgr" else (128, 128, 136)
    distance = np.linalg.norm(np.subtract(lab_of(color), lab_of((128, 128, 128))))
    similarity = np.exp(-distance / 2)
    for margin, alike in ((-0.01, True), (0.01, False)):
        colors = prepare(
            image,
            [],
            pairwise_dilation=1,
            bottom_pixels_removed=0,
            color_thresh=similarity + margin,
            channel_order=order,
        )
        assert bool(colors.edges[4, 0, 1]) is alike


def lab_of(rgb):
    """CIELAB of an sRGB color by the formulas of the standard (D65)."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    matrix = np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    x, y, z = np.cbrt(matrix @ linear / [0.95047, 1.0, 1.08883])
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def edges_of(image, **options):
    results = dict(img=image, gt_bboxes=np.zeros((1, 4)), img_path="a.png")
    return PrepareBoxTargets(**options).transform(results)["gt_masks"].edges


def test_colors_of_images_of_any_format_are_those_of_the_8_bit_image():
    """Values times 257 fill 16 bits as the others fill 8; a fourth channel is not a color."""
    rng = np.random.default_rng(0)
    blocks = (
        rng.integers([100, 60, 30], [125, 64, 32], (6, 7, 3), dtype=np.uint8)
        .repeat(8, axis=0)
        .repeat(8, axis=1)
    )
    gray = blocks[:, :, 0]
    expected = edges_of(np.repeat(gray[:, :, None], 3, axis=2))
    assert 0 < expected.float().mean() < 1
    assert torch.equal(edges_of(gray), expected)
    assert torch.equal(edges_of(gray.astype(np.uint16) * 257), expected)
    assert torch.equal(edges_of(gray.astype(np.uint16) * 16, value_range=255 * 16), expected)
    assert torch.equal(edges_of(gray / np.float32(255), value_range=1.0), expected)

    expected = edges_of(blocks, channel_order="rgb")
    assert not torch.equal(edges_of(blocks), expected)  # red and blue are not the same
    four = np.dstack([blocks, rng.integers(0, 255, blocks.shape[:2], dtype=np.uint8)])
    assert torch.equal(edges_of(four), expected)


@pytest.mark.parametrize("value_range", [0, -1])
def test_a_value_range_of_nothing_is_refused(value_range):
    with pytest.raises(ValueError, match="value_range"):
        PrepareBoxTargets(value_range=value_range)


def test_colors_of_another_stride_than_the_mask_head_s_are_refused():
    colors = prepare(np.zeros((16, 16, 3), np.uint8), [[0, 0, 8, 8]], stride=2)
    objects = InstanceData(bboxes=torch.zeros(1, 4), labels=torch.zeros(1), masks=colors)
    with pytest.raises(ValueError, match="PrepareBoxTargets has stride=2"):
        prepare_ground_truth(objects, mask_size=(4, 4), mask_stride=4)


def test_masks_of_the_dataset_are_replaced():
    masks = BitmapMasks(np.ones((1, 16, 16), np.uint8), 16, 16)
    image = np.zeros((16, 16, 3), np.uint8)
    results = dict(img=image, gt_bboxes=np.zeros((1, 4)), gt_masks=masks, ori_shape=image.shape[:2])
    assert isinstance(PrepareBoxTargets().transform(results)["gt_masks"], SimilarColors)
