"""Random pairs of label maps, and how ``stardist_matching.json`` was made from them.

With the packages stardist 0.9.2 and numpy, from this folder:

    from stardist.matching import matching, matching_dataset
    for every pair:  matching(truth, found, thresh=THRESHOLDS)                     -> "images"
    for all pairs:   matching_dataset(truths, founds, thresh=THRESHOLDS)           -> "together"
                     matching_dataset(truths, founds, thresh=..., by_image=True)   -> "mean"

and of each result tp, fp, fn, precision, recall, accuracy, f1, panoptic_quality and
mean_matched_score; of "images" only tp, fp, fn, accuracy and panoptic_quality.
"""

import numpy as np

CASES = 40
THRESHOLDS = [0.1, 0.3, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0]


def label_map_pair(case: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two (H, W) label maps; the first four cases lack one side or both."""
    rng = np.random.default_rng(case)
    height, width = rng.integers(20, 90, 2)
    truth = np.zeros((height, width), np.uint16)
    found = np.zeros_like(truth)
    step = 40 if case % 3 else 1  # numbers with gaps, which need not start at 1
    for number in range(int(rng.integers(5, 60))):
        y, x = rng.integers(0, height), rng.integers(0, width)
        # even sizes, so that IoUs of exactly 0.5 and other thresholds occur
        rows, columns = rng.choice([2, 4, 6, 10, 12], 2)
        truth[y : y + rows, x : x + columns] = 7 + number * step
        for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
            moved = rng.integers(-2, 3, 2) * (rng.random() < 0.8)
            top, left = max(0, y + moved[0]), max(0, x + moved[1])
            height_found = rows if rng.random() < 0.6 else max(1, rows // 2)
            found[top : top + height_found, left : left + columns] = 1 + rng.integers(0, 900)
    if case in (0, 2):
        truth[:] = 0
    if case in (0, 1):
        found[:] = 0
    if case == 3:
        found[:] = 5
    return truth, found
