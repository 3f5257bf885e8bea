"""Test how names that are nearly right are recognized."""

from condinst.config.problem import is_typo, near


def test_near_names():
    assert near("scoer_thr", ["score_thr", "mask_thr"]) == "score_thr"
    assert near("iou_thr", ["iou_threshold", "sigma"]) == "iou_threshold"
    assert near("color", ["score_thr", "mask_thr"]) is None
    assert is_typo("depht", "depth")
    assert not is_typo("bg_cls_weight", "class_weight")
