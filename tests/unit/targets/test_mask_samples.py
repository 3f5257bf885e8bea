"""Samples and centers of masks against mmdet's bitmaps, and by hand."""

import multiprocessing
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from condinst.datasets import LoadAnnotations
from condinst.targets.mask_samples import sample_masks
from condinst.targets.target_types import SampledMasks


def reference(masks, stride):
    """What training reads, from mmdet's bitmaps of the whole image."""
    bitmaps = torch.from_numpy(np.ascontiguousarray(masks.to_ndarray())).bool()
    samples = bitmaps[:, stride // 2 :: stride, stride // 2 :: stride]
    area = bitmaps.sum(dim=(1, 2)).clamp(min=1).double()
    x_sum = (bitmaps.sum(dim=1) * torch.arange(bitmaps.shape[2])).sum(dim=1)
    y_sum = (bitmaps.sum(dim=2) * torch.arange(bitmaps.shape[1])).sum(dim=1)
    centers = torch.stack([x_sum.double() / area, y_sum.double() / area], dim=1)
    return samples, centers.float()


def check(masks, stride):
    found = sample_masks(masks, stride)
    samples, centers = reference(masks, stride)
    assert found.samples.dtype == torch.bool
    assert found.samples.is_contiguous()
    assert torch.equal(found.samples, samples)
    assert torch.equal(found.centers, centers)
    assert found.stride == stride


def random_polygons(rng, height, width):
    """Objects of 1 to 3 parts, some of which overlap or leave the image."""
    size = np.array([width, height])
    return [
        [
            (
                rng.uniform(-0.1, 1.1, 2) * size
                + rng.normal(0, rng.uniform(0, 0.4), (rng.integers(3, 9), 2)) * size
            ).ravel()
            for _ in range(rng.integers(1, 4))
        ]
        for _ in range(rng.integers(1, 7))
    ]


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(61, 83), (64, 40), (128, 1), (1, 9), (3, 3), (1, 1)])
def test_random_polygons_and_bitmaps(size, stride):
    rng = np.random.default_rng([*size, stride])
    for _ in range(10):
        check(PolygonMasks(random_polygons(rng, *size), *size), stride)
        bitmaps = rng.random((3, *size)) < rng.random()
        for kind in (bitmaps, bitmaps.astype(np.uint8), bitmaps * np.uint8(255)):
            check(BitmapMasks(kind, *size), stride)


def test_empty_masks_and_no_masks():
    nothing, dot = [np.zeros(6)], [np.array([10.0, 10, 20, 10, 20, 20, 10, 20])]
    check(PolygonMasks([nothing, dot, nothing], 32, 48), 4)
    found = sample_masks(PolygonMasks([nothing, dot], 32, 48), 4)
    assert found.centers.tolist() == [[0, 0], [14.5, 14.5]]
    assert not found.samples[0].any()
    for none in (PolygonMasks([], 32, 48), BitmapMasks([], 32, 48)):
        found = sample_masks(none, 4)
        assert found.samples.shape == (0, 8, 12)
        assert found.samples.dtype == torch.bool
        assert found.centers.shape == (0, 2)


def test_centroid_by_hand():
    bitmap = np.zeros((1, 4, 6), np.uint8)
    bitmap[0, 1, 2] = bitmap[0, 1, 3] = bitmap[0, 3, 4] = 1
    found = sample_masks(BitmapMasks(bitmap, 4, 6), 4)
    torch.testing.assert_close(found.centers, torch.tensor([[3.0, 5 / 3]]))


def test_centroid_of_large_masks_is_exact():
    """The sum of coordinates exceeds float32's whole numbers; the mean of 0..1999 is 999.5."""
    corners = np.array([0.0, 0, 2000, 0, 2000, 1000, 0, 1000])
    for masks in (
        PolygonMasks([[corners]], 1000, 2000),
        BitmapMasks(np.ones((1, 1000, 2000), np.uint8), 1000, 2000),
    ):
        assert sample_masks(masks, 4).centers.tolist() == [[999.5, 499.5]]


def uncompressed(rle):
    """Compressed RLE as a list of run lengths, by pycocotools' bitmap."""
    from pycocotools import mask as coco_mask

    pixels = coco_mask.decode(rle).T.ravel()
    borders = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff(np.concatenate([[0], borders, [pixels.size]])).tolist()
    return {"size": rle["size"], "counts": [0, *runs] if pixels[0] else runs}


@pytest.mark.parametrize(
    ("name", "split", "prefix", "as_lists"),
    [
        ("coco_tiny", "train2017", "train2017", False),
        ("nuclei", "train", "train", False),
        ("nuclei", "train", "train", True),
    ],
)
def test_real_images(datasets, name, split, prefix, as_lists):
    folder = datasets / name
    files = sorted((folder / "annotations").glob(f"*{split}*.json"))
    dataset = CocoDataset(
        data_root=str(folder),
        ann_file=str(files[0].relative_to(folder)),
        data_prefix={"img": prefix},
        metainfo={"classes": ("nucleus",)} if name == "nuclei" else None,
    )
    load = LoadAnnotations(with_mask=True, poly2mask=False)
    crowds = parts = rles = 0
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    with_crowds = [x for x in infos if any(i["ignore_flag"] for i in x["instances"])]
    for info in with_crowds[:4] + infos[:: len(infos) // 6]:
        info["ori_shape"] = (info["height"], info["width"])
        info["instances"] = info["instances"][:40]
        for instance in info["instances"]:
            if isinstance(instance["mask"], dict):
                rles += 1
                if as_lists and isinstance(instance["mask"]["counts"], str):
                    instance["mask"] = uncompressed(instance["mask"])
        results = load(info)
        masks, ignored = results["gt_masks"], results["gt_ignore_flags"]
        crowds += int(ignored.sum())
        parts = max(parts, *(len(mask) for mask in masks), 0)
        for changed in (masks, masks.resize((401, 533)), masks.rescale((333, 250))):
            for direction in ("horizontal", "vertical", "diagonal"):
                check(changed.flip(direction), 4)
        # PackDetInputs hands on some of them
        kept = np.flatnonzero(~ignored)
        samples, centers = reference(masks[kept], 4)
        found = sample_masks(masks, 4)[kept]
        assert torch.equal(found.samples, samples)
        assert torch.equal(found.centers, centers)
    assert (crowds > 0 and parts > 1) if name == "coco_tiny" else rles > 100


def sampled():
    rng = np.random.default_rng(5)
    return sample_masks(
        PolygonMasks([random_polygons(rng, 40, 60)[0] for _ in range(5)], 40, 60), 4
    )


def equal(a, b):
    return (
        torch.equal(a.samples, b.samples)
        and torch.equal(a.centers, b.centers)
        and a.stride == b.stride
    )


@pytest.mark.parametrize(
    "index",
    [
        torch.tensor([3, 1]),
        torch.tensor([True, False, False, True, True]),
        np.array([True, False, False, False, False]),
        np.array([], np.int64),
        slice(1, 3),
    ],
)
def test_instance_data_takes_them_apart(index):
    masks = sampled()
    part = InstanceData(masks=masks, labels=torch.arange(5))[index]
    labels = part.labels
    assert len(part.masks) == len(labels)
    assert torch.equal(part.masks.samples, masks.samples[labels])
    assert torch.equal(part.masks.centers, masks.centers[labels])
    assert equal(part.masks, masks[index])


def test_instance_data_puts_them_together_and_moves_them():
    masks = sampled()
    whole = InstanceData.cat([InstanceData(masks=masks[:2]), InstanceData(masks=masks[2:])])
    assert equal(whole.masks, masks)
    moved = whole.to("meta", non_blocking=True).masks
    assert moved.samples.device.type == moved.centers.device.type == "meta"
    assert moved.stride == 4
    assert equal(masks.pad((800, 1088), pad_val=0), masks)


def send(queue, masks):
    queue.put(masks)


def test_a_message_between_processes_is_small():
    masks = sampled()
    assert equal(pickle.loads(pickle.dumps(masks)), masks)
    message = ForkingPickler.dumps(masks)
    assert len(message) < 1000  # 5 x 10 x 15 bits; pickle alone takes as many bytes and more
    assert equal(pickle.loads(message), masks)
    assert equal(pickle.loads(ForkingPickler.dumps(masks[:0])), masks[:0])


@pytest.mark.long
def test_what_another_process_sends_is_whole_and_writable():
    masks = sampled()
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=send, args=(queue, masks))
    process.start()
    received = queue.get()
    process.join()
    assert isinstance(received, SampledMasks)
    assert equal(received, masks)
    received.samples.logical_not_()  # writable
