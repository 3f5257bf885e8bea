"""The table of AP."""

import re

from condinst.cli.ap_table import ap_table

KEYS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
METRICS = {
    f"coco/{kind}_{key}": i / 10 + base
    for kind, base in (("bbox", 0.05), ("segm", 0.01))
    for i, key in enumerate(KEYS, 1)
}


def rows(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_box_and_mask():
    table = ap_table({**METRICS, "coco/bbox_mAP_l": -1.0})
    assert rows(table) == [
        ["AP", "AP50", "AP75", "AP small", "AP medium", "AP large"],
        ["box", "0.150", "0.250", "0.350", "0.450", "0.550", "-"],
        ["mask", "0.110", "0.210", "0.310", "0.410", "0.510", "0.610"],
    ]
    assert len({len(line) for line in table.splitlines()}) == 1


def test_classes_stand_below_their_kind():
    nan = float("nan")
    by_class = {"segm": {"star": [0.1, 0.2, 0.3, nan, 0.5, 0.6]}}
    table = rows(ap_table({**METRICS, "coco/star_precision": 0.1}, by_class))
    assert [row[0] for row in table[1:]] == ["box", "mask", "star"]
    assert table[-1] == ["star", "0.100", "0.200", "0.300", "-", "0.500", "0.600"]


def test_other_metrics_are_lines():
    assert ap_table({"mine/F1": 0.25, "note": "text"}) == "mine/F1: 0.25"
    both = ap_table({"a/segm_mAP": 0.1, "b/segm_mAP": 0.2})
    assert [row[0] for row in rows(both)[1:]] == ["a mask", "b mask"]
