"""Test that boxes of Pascal VOC are counted from 1 where they show it."""

import pytest

from condinst.dataset_converters.records import Notes
from condinst.dataset_converters.xml_boxes import first_pixel

TOUCHING = [(1, 5, 20, 30), (3, 1, 60, 40)]  # of 60 x 40: one begins at 1, one ends at 60


def write(path, boxes, database="The VOC2007 Database"):
    objects = "".join(
        f"<object><name>a</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    path.write_text(
        f"<annotation><source><database>{database}</database></source><size><width>60</width>"
        f"<height>40</height></size>{objects}</annotation>"
    )
    return path


@pytest.mark.parametrize(
    ("boxes", "database", "expected", "said"),
    [
        (TOUCHING, "The VOC2007 Database", 1, "2 begin at 1, none at 0, and 1 end"),
        (TOUCHING, "Unknown", 0, "as LabelImg's do"),
        ([*TOUCHING, (0, 3, 9, 9)], "x", 0, ""),
        ([(1, 5, 20, 30)], "x", 0, "their numbers do not tell"),
        ([(2, 5, 60, 30)], "x", 0, "their numbers do not tell"),
        ([*TOUCHING, (2.5, 3, 9, 9)], "x", 0, ""),
        ([*TOUCHING, ("a", 3, 9, 9)], "x", 1, "of 2 boxes"),
        ([], "x", 0, ""),
    ],
)
def test_the_first_pixel(tmp_path, boxes, database, expected, said):
    notes = Notes()
    paths = [write(tmp_path / f"{i}.xml", [box], database) for i, box in enumerate(boxes)]
    assert first_pixel(paths, notes) == expected
    assert said in " ".join(notes.sentences())
    assert bool(said) == bool(notes.sentences())
