"""Masks of logits against all pixels at once, as mmdet's RTMDetInsHead draws them."""

import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask

from condinst.models.postprocess import masks as mask_postprocess
from condinst.models.postprocess.logit_masks import postprocess_logit_masks, resized_shape


def blobs(count: int, height: int, width: int) -> torch.Tensor:
    """Logits of discs of every size with rough edges, an empty mask and a full one."""
    draw = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    logits = []
    for i in range(count):
        cy, cx = torch.rand(2, generator=draw) * torch.tensor([height, width])
        disc = 0.5 * 1.25**i - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()
        logits.append(disc + torch.randn(height, width, generator=draw))
    ends = [torch.full((height, width), value) for value in (-5.0, 5.0)]
    return torch.stack([*logits, *ends])


def all_at_once(logits, resized, out_shape, thr):
    """The enlarged logits, and the masks."""
    values = F.interpolate(logits[None], scale_factor=8, mode="bilinear")
    values = F.interpolate(values, resized, mode="bilinear", align_corners=False)[0]
    values = values[:, : out_shape[0], : out_shape[1]]
    return values, values.sigmoid() > thr


# cells 20 x 26: 160 x 208 pixels; the same size, smaller, larger, one axis each way, one pixel
SHAPES = [
    ((160, 208), (157, 203)),
    ((101, 149), (100, 140)),
    ((700, 900), (690, 880)),
    ((500, 60), (490, 60)),
    ((3, 4), (1, 1)),
]


@pytest.mark.parametrize(("resized", "out_shape"), SHAPES)
@pytest.mark.parametrize("thr", [0.5, 0.2, 0.97])
@pytest.mark.parametrize("scale", [1.0, 30.0], ids=["soft", "hard"])
def test_pixels_are_those_of_all_at_once(resized, out_shape, thr, scale):
    """Except where float32 rounding of the logits decides."""
    logits = scale * blobs(16, 20, 26)
    values, expected = all_at_once(logits, resized, out_shape, thr)
    near = (values - torch.logit(torch.tensor(thr))).abs() < 1e-4 * scale
    assert near.float().mean() < 1e-3
    for only_outlines in (("cpu",), ()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mask_postprocess, "_ONLY_OUTLINES", only_outlines)
            found = [
                postprocess_logit_masks(
                    logits,
                    stride=8,
                    resized=resized,
                    out_shape=out_shape,
                    mask_thr=thr,
                    mask_format=kind,
                    max_elements=2**18,
                )
                for kind in ("bool", "rle")
            ]
        assert torch.equal(found[0] | near, expected | near)
        decoded = torch.from_numpy(coco_mask.decode(found[1])).permute(2, 0, 1).bool()
        assert torch.equal(decoded, found[0])


def test_no_instance_and_a_wrong_format():
    empty = torch.zeros(0, 4, 5)
    settings = dict(stride=8, resized=(32, 40), out_shape=(30, 40), mask_thr=0.5)
    assert postprocess_logit_masks(empty, **settings).shape == (0, 30, 40)
    with pytest.raises(ValueError, match="mask_format='png': expected one of bool, crop, rle"):
        postprocess_logit_masks(empty, **settings, mask_format="png")


@pytest.mark.parametrize(
    ("padded", "original", "scale_factor", "expected"),
    [
        # 640 x 427: not resized
        ((640, 640), (427, 640), (1.0, 1.0), (640, 640)),
        # 500 x 333 to 640 x 426: the factors 1.28 and 426 / 333 are one factor, and mmdet swaps
        # them: ceil(640 / 1.28) and ceil(640 * 333 / 426)
        ((640, 640), (333, 500), (1.28, 426 / 333), (500, 501)),
        # 640 x 433 to 320 x 217: by the swapped factors, 320 columns would become 639
        ((224, 320), (433, 640), (0.5, 217 / 433), (447, 640)),
        # stretched
        ((640, 640), (320, 1280), (0.5, 2.0), (320, 1280)),
    ],
)
def test_size_of_the_padded_image_in_the_original(padded, original, scale_factor, expected):
    assert resized_shape(padded, original, scale_factor) == expected
