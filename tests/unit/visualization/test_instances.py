"""Drawing of instances: pixels that can be worked out by hand."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks
from condinst.results.results import Results
from condinst.visualization import instances as draw

CLASSES = ("dog", "cat")
SIZE = (600, 640)  # high enough not to be enlarged


def instances(*, labels=(0,), squares=((300, 100),), side=200, scores=None):
    """Squares with their top left corners (x, y)."""
    masks = torch.zeros(len(labels), *SIZE, dtype=torch.bool)
    boxes = torch.zeros(len(labels), 4)
    for i, (x, y) in enumerate(squares):
        masks[i, y : y + side, x : x + side] = True
        boxes[i] = torch.tensor([x, y, x + side, y + side])
    fields = {"labels": torch.tensor(labels, dtype=torch.long), "masks": masks, "bboxes": boxes}
    if scores is not None:
        fields["scores"] = torch.tensor(scores)
    return InstanceData(**fields)


def gray():
    return np.full((*SIZE, 3), 100, np.uint8)


def blend(label, ground=100):
    return 0.55 * ground + 0.45 * np.array(draw.class_color(label))


def is_near(pixels, color):
    """Equal up to the rounding of 8 bits."""
    return (np.abs(pixels - np.asarray(color)) <= 1).all()


def test_a_mask_is_blended_and_the_rest_left_alone():
    image = gray()
    drawn = draw.draw_instances(image, instances(), CLASSES)
    assert (image == 100).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert is_near(drawn[110:290, 310:490], blend(0))
    assert (drawn[320:] == 100).all()
    assert (drawn[:, :290] == 100).all()
    assert (drawn[:, 510:] == 100).all()
    border = drawn[198:202, 298:302].reshape(-1, 3)
    assert (border == draw.class_color(0)).all(axis=1).any()


def test_the_label_stands_above_its_box_and_inside_the_image():
    drawn = draw.draw_instances(gray(), instances(), CLASSES)
    assert (drawn[84:97, 302:330] == draw.class_color(0)).all(axis=2).mean() > 0.5
    corner = draw.draw_instances(gray(), instances(squares=((440, 0),)), CLASSES)
    assert (corner[1:14, 442:470] == draw.class_color(0)).all(axis=2).mean() > 0.5


def test_names_can_be_left_out():
    """Above the box, where its name would stand, the image is as it was."""
    drawn = draw.draw_instances(gray(), instances(), CLASSES, names=False)
    assert (drawn[:90] == 100).all()
    assert (draw.draw_instances(gray(), instances(), CLASSES)[:95] != 100).any()
    assert is_near(drawn[110:290, 310:490], blend(0))


def test_a_name_without_a_place_is_left_out_and_the_best_instance_chooses_first():
    crowd = instances(labels=(0, 1) * 20, squares=((300, 100),) * 40, scores=(0.5, 0.9) * 20)
    drawn = draw.draw_instances(gray(), crowd, CLASSES)
    above = drawn[84:97, 302:330]
    assert (above == draw.class_color(1)).all(axis=2).mean() > 0.5
    assert not (above == draw.class_color(0)).all(axis=2).any()


def test_scores_below_the_threshold_are_left_out():
    both = instances(labels=(0, 1), squares=((10, 300), (400, 300)), scores=(0.9, 0.3))
    drawn = draw.draw_instances(gray(), both, CLASSES, score_thr=0.31)
    assert is_near(drawn[400, 110], blend(0))
    assert (drawn[280:, 390:] == 100).all()
    drawn = draw.draw_instances(gray(), both, CLASSES, score_thr=0.3)
    assert is_near(drawn[400, 500], blend(1))


def test_small_instances_are_drawn_over_large_ones():
    large, small = instances(side=250), instances(labels=(1,), squares=((380, 180),), side=60)
    drawn = draw.draw_instances(gray(), InstanceData.cat([small, large]), CLASSES)
    assert is_near(drawn[210, 410], blend(1, ground=blend(0)))


def test_every_kind_of_input_draws_the_same():
    wanted = draw.draw_instances(gray(), instances(), CLASSES)
    masks = instances().masks.numpy()
    for given in (masks, BitmapMasks(masks.astype(np.uint8), *SIZE), masks.astype(np.uint8)):
        kind = InstanceData(labels=np.array([0]), bboxes=HorizontalBoxes(instances().bboxes))
        kind.set_field(given, "masks", dtype=type(given))
        assert np.array_equal(draw.draw_instances(gray(), kind, CLASSES), wanted)


def test_masks_alone_and_boxes_alone():
    masks, boxes = instances(), instances()
    del masks.bboxes, boxes.masks
    by_masks = draw.draw_instances(gray(), masks, CLASSES)
    by_boxes = draw.draw_instances(gray(), boxes, CLASSES)
    assert is_near(by_masks[200, 400], blend(0))
    assert (by_boxes[200, 400] == 100).all()
    assert np.array_equal(by_masks[80:97, 300:330], by_boxes[80:97, 300:330])  # the label
    with pytest.raises(ValueError, match="expected masks or bboxes"):
        draw.draw_instances(gray(), InstanceData(labels=torch.zeros(1)), CLASSES)


def test_nothing_to_draw_and_an_empty_mask():
    empty = instances(labels=(), squares=(), scores=())
    assert np.array_equal(draw.draw_instances(gray(), empty, CLASSES), gray())
    nowhere = instances(labels=(0,), squares=())
    del nowhere.bboxes
    assert draw.draw_instances(gray(), nowhere, CLASSES).shape == (*SIZE, 3)


@pytest.mark.parametrize(
    ("image", "shown", "message"),
    [
        (gray().astype(float), instances(), r"image: expected \(H, W, 3\) uint8"),
        (gray()[..., 0], instances(), r"image: expected \(H, W, 3\) uint8, got \(600, 640\)"),
        (gray()[:300], instances(), r"masks: expected the image's size \(300, 640\)"),
        (gray(), instances(labels=(2,)), r"labels: expected 0 to 1, got \[2\]"),
    ],
)
def test_what_does_not_fit_is_refused(image, shown, message):
    with pytest.raises(ValueError, match=message):
        draw.draw_instances(image, shown, CLASSES)


def test_side_by_side():
    drawn = draw.draw_side_by_side(gray(), instances(), instances(scores=(0.1,)), CLASSES)
    strip = drawn.shape[0] - 600
    assert strip > 10
    assert drawn.shape[1] == 2 * 640 + 6
    assert is_near(drawn[strip + 200, 400], blend(0))
    assert (drawn[strip:, 646:] == 100).all()  # its score is below the threshold
    assert (drawn[:strip, :640] < 100).any()  # the title


def test_a_small_image_is_enlarged():
    small = InstanceData(labels=torch.tensor([1]), masks=torch.zeros(1, 100, 120) > 0)
    small.masks[0, 40:80, 40:80] = True
    drawn = draw.draw_side_by_side(np.full((100, 120, 3), 100, np.uint8), small, small, CLASSES)
    strip = drawn.shape[0] - 400
    assert drawn.shape[1] == 2 * 480 + 6
    assert is_near(drawn[strip + 240, 240], blend(1))
    assert is_near(drawn[strip + 240, 486 + 240], blend(1))


def test_colors_of_classes_are_stable_and_apart():
    colors = np.array([draw.class_color(i) for i in range(10)])
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=2) + 1e3 * np.eye(10)
    assert distances.min() > 40
    assert draw.class_color(3) == tuple(colors[3])


@pytest.mark.parametrize("count", [0, 2])
def test_masks_as_rles_are_drawn_as_bitmaps_are(count):
    bitmaps = np.zeros((2, 60, 80), bool)
    bitmaps[0, 10:30, 20:50] = bitmaps[1, 35:55, 5:70] = True
    found = InstanceData(
        labels=torch.tensor([0, 1])[:count], scores=torch.tensor([0.9, 0.8])[:count]
    )
    image = np.full((60, 80, 3), 90, np.uint8)
    found.masks = torch.from_numpy(bitmaps[:count])
    expected = draw.draw_instances(image, found, ("a", "b"))
    found.masks = [coco_mask.encode(np.asfortranarray(m, dtype=np.uint8)) for m in bitmaps[:count]]
    assert np.array_equal(draw.draw_instances(image, found, ("a", "b")), expected)
    assert (expected != image).any() == (count > 0)


def test_crops_and_results_are_drawn_as_bitmaps_are():
    bitmaps = np.zeros((2, 60, 80), bool)
    bitmaps[0, 10:30, 20:50] = bitmaps[1, 35:55, 5:70] = True
    boxes = [[20, 10, 50, 30], [5, 35, 70, 55]]
    found = InstanceData(
        labels=torch.tensor([0, 1]), scores=torch.tensor([0.9, 0.8]), bboxes=torch.tensor(boxes)
    )
    image = np.full((60, 80, 3), 90, np.uint8)
    found.masks = torch.from_numpy(bitmaps)
    expected = draw.draw_instances(image, found, ("a", "b"))
    found.masks = [
        Crop(found.masks[0, 5:40, 10:60], x=10, y=5),
        Crop(found.masks[1, 30:, :], x=0, y=30),
    ]
    assert np.array_equal(draw.draw_instances(image, found, ("a", "b")), expected)
    results = Results(
        image_size=(60, 80),
        boxes=boxes,
        scores=[0.9, 0.8],
        labels=[0, 1],
        crops=[Crop.of(mask) for mask in bitmaps],
        class_names=("a", "b"),
        image=image,
    )
    assert np.array_equal(results.draw(enlarge=False), expected)
    no_boxes = results.draw(boxes=False, enlarge=False)
    color = draw.class_color(1)
    corner = expected[35:38, 65:70].reshape(-1, 3)
    assert (corner == color).all(axis=1).any()
    assert not np.array_equal(no_boxes, expected)


def test_an_edge_without_stairs():
    """A line over a diagonal edge has the color's share that its distance from the edge says."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = columns > rows
    found = InstanceData(labels=torch.tensor([0]), masks=mask[None])
    drawn = draw.draw_instances(np.full((*SIZE, 3), 255, np.uint8), found, CLASSES)
    # along the diagonal every pixel lies alike, so the drawing must repeat to the last bit
    for offset in range(-4, 5):
        line = np.array([drawn[i, i + offset] for i in range(300, 500)])
        assert (line == line[0]).all()
    outside, far = drawn[400, 397], drawn[400, 390]
    assert (far == 255).all()
    assert 60 < outside.mean() < 250  # neither the line nor the ground


def test_a_mask_at_the_images_border_has_no_line_there():
    found = InstanceData(labels=torch.tensor([0]), masks=np.ones((1, *SIZE), bool))
    drawn = draw.draw_instances(gray(), found, CLASSES)
    assert is_near(drawn[300:, :], blend(0))


def test_closeups_draw_lines_between_the_pixels():
    image = gray()
    found, true = instances(), instances(squares=((300, 110),))
    shown = draw.draw_closeups(image, found, CLASSES, gt=true, size=48, zoom=8)
    assert shown.shape == (384, 384, 3)
    # centerd on (300, 100): the mask starts at pixel 24, its upper edge at 192 of the close-up
    color = draw.class_color(0)
    assert (shown[192, 250:380] == color).all()
    assert (shown[250:380, 192] == color).all()
    assert (shown[272, 250:380] == 255).all()  # the ground truth, 10 pixels lower
    assert (shown[100:180] == 100).all()
    assert (shown[205:260, 205:260] == 100).all()
    nothing = instances(labels=(), squares=(), scores=())
    assert (draw.draw_closeups(image, nothing, CLASSES) == 100).all()
    with pytest.raises(ValueError, match="expected masks, found none"):
        draw.draw_closeups(image, InstanceData(labels=[0], bboxes=torch.zeros(1, 4)), CLASSES)


def test_closeups_of_a_image_smaller_than_they_are():
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 5:, 5:] = True
    found = InstanceData(labels=torch.tensor([0]), masks=mask)
    shown = draw.draw_closeups(np.zeros((20, 30, 3), np.uint8), found, CLASSES, zoom=4)
    assert shown.shape == (80, 120, 3)
    assert (shown[20, 40:100] == draw.class_color(0)).all()


def test_a_small_image_is_enlarged_for_its_names():
    """A square of 20 pixels in an image of 100: five times as large, at its place."""
    found = InstanceData(labels=torch.tensor([0]), bboxes=torch.tensor([[40.0, 60, 60, 80]]))
    image = np.full((100, 90, 3), 100, np.uint8)
    drawn = draw.draw_instances(image, found, CLASSES, names=False, enlarge=True)
    assert drawn.shape == (500, 450, 3)
    colored = np.argwhere((drawn == draw.class_color(0)).all(axis=2))
    assert colored.min(axis=0).tolist() == [300, 200]
    assert colored.max(axis=0).tolist() == [399, 299]
    assert draw.draw_instances(image, found, CLASSES).shape == (100, 90, 3)
    large = draw.draw_instances(gray(), instances(), CLASSES, enlarge=True)
    assert np.array_equal(large, draw.draw_instances(gray(), instances(), CLASSES))


@pytest.mark.parametrize("score_thr", [30, -0.1, float("nan"), "0.5", None, True])
def test_thresholds_outside_the_scores(score_thr):
    with pytest.raises(ValueError, match=r"score_thr=.*: expected a number from 0 to 1"):
        draw.draw_instances(gray(), instances(), CLASSES, score_thr)


def test_an_object_without_a_mask_is_drawn_as_its_box():
    """Its filled box, which stands for the mask while images are augmented, is not drawn."""
    bitmaps = np.zeros((1, 40, 60), np.uint8)
    bitmaps[0, 10:30, 20:50] = 1
    image = np.full((40, 60, 3), 128, np.uint8)
    common = dict(labels=np.zeros(1, int), bboxes=np.array([[20.0, 10, 50, 30]]))
    known, unknown = (
        draw.draw_instances(
            image,
            InstanceData(**common, masks=CropMasks(bitmaps, 40, 60, flags)),
            ["a"],
            names=False,
        )
        for flags in (None, [True])
    )
    assert (known[20, 35] != 128).any()
    assert (unknown[20, 35] == 128).all()
    assert (unknown[10:30, 18:22] != 128).any()
