"""The benchmarks of the data run on a few real images; they check for themselves that mmdet's
results and ours are equal."""

from types import SimpleNamespace

import pytest

from benchmarks import mask_targets, mixing, pipeline

pytestmark = pytest.mark.long

STAGES = ["LoadImageFromFile", "LoadAnnotations", "RandomChoiceResize", "RandomFlip"]


@pytest.fixture
def context(datasets):
    return SimpleNamespace(root=datasets / "coco_tiny", device="cpu", rounds=3, num_images=4)


def test_the_pipeline_is_measured_whole_and_by_stage(context):
    found = {part.name: part for part in pipeline.run(context)}
    assert {"training pipeline", "training pipeline, through a worker"} <= set(found)
    for part in found.values():
        assert len(part.theirs) == len(part.ours) == context.rounds
        assert min(*part.theirs, *part.ours) > 0
    whole = found["training pipeline"]
    for stage in STAGES:
        assert all(a < b for a, b in zip(found[f"pipeline: {stage}"].ours, whole.ours, strict=True))
    assert "PrepareMaskTargets, only in ours" in whole.note


def test_preparing_targets_early_leaves_a_tenth_at_most_for_the_training_step(context):
    (part,) = mask_targets.run(context)
    assert part.bar == 10
    assert part.ratio > part.bar
    assert part.note.startswith("2 batches of 2 images")


def test_mixing_images_is_measured_in_time_and_memory():
    settings = dict(img_scale=(mixing.SIDE, mixing.SIDE))
    seconds, memory = mixing.compare_transform("CachedMixUp", settings, True, 3, objects=4)
    assert len(seconds.theirs) == len(seconds.ours) == 3
    assert min(*seconds.theirs, *seconds.ours) > 0
    assert memory.unit == "B"
    # four bitmaps and their sums need more than four crops
    assert memory.ratio > 1
