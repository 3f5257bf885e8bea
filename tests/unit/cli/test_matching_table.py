"""The table of one-to-one matches."""

import re

from condinst.cli.matching_table import matching_table

NAMES = ("ap", "image_ap", "precision", "recall", "f1", "pq")
METRICS = {
    "matching/ap": 0.5,
    "matching/image_ap": 0.6,
    **{f"matching/{name}_50": 0.1 * i for i, name in enumerate(NAMES, 1)},
    **{f"matching/{name}_52.5": 0.05 * i for i, name in enumerate(NAMES, 1)},
    "matching/score_thr": 0.35,
}


def test_a_row_for_each_threshold():
    text, left = matching_table({**METRICS, "coco/segm_mAP": 0.3})
    assert left == {"coco/segm_mAP": 0.3}
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert lines == [
        ["one-to-one matches of detections with a score of 0.35 or more"],
        ["IoU", "TP/(TP+FP+FN)", "mean of images", "precision", "recall", "F1", "PQ"],
        ["0.50", "0.100", "0.200", "0.300", "0.400", "0.500", "0.600"],
        ["0.53", "0.050", "0.100", "0.150", "0.200", "0.250", "0.300"],
        ["mean", "0.500", "0.600"],
    ]
    assert max(map(len, text.splitlines())) <= 110


def test_without_the_metric_there_is_no_table():
    assert matching_table({"coco/segm_mAP": 0.3, "mine/ap_50": 0.1}) == (
        "",
        {"coco/segm_mAP": 0.3, "mine/ap_50": 0.1},
    )
