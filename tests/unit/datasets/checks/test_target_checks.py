"""What a pipeline prepares against what the model learns from, before the first iteration."""

import pytest

from condinst.datasets.checks.target_checks import check_targets

CONDINST = dict(type="CondInst", bbox_head=dict(), mask_head=dict(type="CondInstMaskHead"))
BOXINST = dict(type="BoxInst", bbox_head=dict(), mask_head=dict(type="BoxInstMaskHead"))
RTMDET = dict(type="RTMDet", bbox_head=dict(type="RTMDetInsSepBNHead", mask_loss_stride=4))


def of_boxes(model, **settings):
    """The model with box supervision in the head that has it."""
    name = "bbox_head" if model["type"] == "RTMDet" else "mask_head"
    return {**model, name: {**model[name], "box_supervision": settings}}


def masks(**arguments):
    return dict(type="PrepareMaskTargets", **arguments)


def boxes(**arguments):
    return dict(type="condinst.PrepareBoxTargets", **arguments)


def mixed(**arguments):
    return dict(type="PrepareMixedTargets", **arguments)


@pytest.mark.parametrize(
    ("step", "model"),
    [
        (masks(), CONDINST),
        (masks(stride=4), RTMDET),
        (boxes(), BOXINST),
        (mixed(), BOXINST),
        (mixed(stride=4), of_boxes(RTMDET)),
        (boxes(), of_boxes(CONDINST)),
        (boxes(pairwise_size=5), of_boxes(RTMDET, pairwise_size=5)),
        (boxes(), dict(type="mmdet.SOLO")),
        (dict(type="PackDetInputs"), BOXINST),
    ],
)
def test_what_goes_together(step, model):
    assert check_targets("train", [step], model) == []


@pytest.mark.parametrize(
    ("step", "model", "message"),
    [
        (masks(), BOXINST, "but model.mask_head learns masks from boxes"),
        (masks(), of_boxes(RTMDET), "but model.bbox_head.box_supervision learns masks from boxes"),
        (boxes(), CONDINST, "model.mask_head.box_supervision=dict() to learn from boxes"),
        (boxes(), RTMDET, "model.bbox_head.box_supervision=dict() to learn from boxes"),
        (
            boxes(pairwise_dilation=1),
            of_boxes(RTMDET),
            "pairwise_dilation=1, but model.bbox_head.box_supervision.pairwise_dilation is 2",
        ),
        (
            boxes(pairwise_size=5),
            BOXINST,
            "pairwise_size=5, but model.mask_head.pairwise_size is 3",
        ),
        (mixed(), CONDINST, "model.mask_head.box_supervision=dict() to learn from boxes"),
        (mixed(pairwise_size=5), of_boxes(CONDINST), "mask_head.box_supervision.pairwise_size is"),
        (mixed(), {**BOXINST, "semantic_head": dict(stride=8)}, "expected semantic_head=None"),
        (boxes(stride=8), of_boxes(RTMDET), "but model.bbox_head.mask_loss_stride is 4"),
    ],
)
def test_what_does_not(step, model, message):
    (problem,) = check_targets("train_dataloader.dataset", [step], model)
    assert problem.startswith("train_dataloader.dataset.pipeline: Prepare")
    assert message in problem


def test_a_dataset_that_allows_boxes_needs_the_targets_of_both():
    dataset = dict(type="CocoDataset", allow_box_only=True)
    (problem,) = check_targets("train", [masks()], CONDINST, dataset)
    assert "the dataset has allow_box_only=True; expected PrepareMixedTargets" in problem
    assert check_targets("train", [mixed()], of_boxes(CONDINST), dataset) == []
