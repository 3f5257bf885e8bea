"""Compare the confusion matrix with counts by hand."""

from report_sets import detections_of, images_of, truth_of

from condinst.report.confusion import confusion_matrix
from condinst.report.matching import pair


def matrix_of(truth, detections, score_thr):
    pairing = pair(images_of(truth, detections), truth, detections, same_class=False)
    return confusion_matrix(truth, detections, pairing, score_thr).tolist()


def test_every_cell_by_hand():
    truth = truth_of(
        [
            (0, 0, [0, 0, 10, 10]),  # found as 0
            (0, 0, [20, 0, 10, 10]),  # taken for 1
            (0, 1, [40, 0, 10, 10]),  # found as 1
            (0, 1, [60, 0, 10, 10]),  # overlapped too little
            (1, 1, [0, 0, 10, 10]),  # found with too low a score
            (1, 0, [50, 50, 40, 40], 1),  # a crowd
        ],
        num_images=3,
    )
    detections = detections_of(
        [
            (0, 0, 0.9, [0, 0, 10, 10]),
            (0, 1, 0.8, [20, 0, 10, 11]),
            (0, 0, 0.7, [20, 0, 10, 10]),  # the right class, but the object is given away
            (0, 1, 0.9, [41, 0, 10, 10]),
            (0, 1, 0.9, [65, 0, 10, 10]),
            (1, 1, 0.2, [0, 0, 10, 10]),
            (1, 0, 0.9, [60, 60, 10, 10]),
            (2, 0, 0.5, [0, 0, 10, 10]),  # at the threshold
        ]
    )
    assert matrix_of(truth, detections, 0.5) == [
        [1, 1, 0],
        [0, 1, 2],
        [2, 1, 0],
    ]
    # with the low score the last object is found too
    assert matrix_of(truth, detections, 0.1)[1] == [0, 2, 1]


def test_without_detections_everything_is_missed():
    truth = truth_of([(0, 0, [0, 0, 9, 9]), (0, 1, [0, 0, 9, 9])])
    assert matrix_of(truth, detections_of([]), 0.5) == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
