"""Test the reader of XML with boxes or outlines: Pascal VOC and the old labelme."""

import json

import numpy as np
from two_images import FIRST, SQUARE, H, W, check

from condinst.dataset_converters import import_data


def test_boxes_of_voc_choose_boxinst(tmp_path, two_images, note):
    two_images("JPEGImages/{}.jpg")
    (tmp_path / "Annotations").mkdir()
    for n in "ab":
        (tmp_path / f"Annotations/{n}.xml").write_text(
            f"<annotation><folder>JPEGImages</folder><filename>{n}.jpg</filename><size><width>{W}"
            f"</width><height>{H}</height><depth>3</depth></size><object><name>dog</name><bndbox>"
            "<xmin>10</xmin><ymin>10</ymin><xmax>30</xmax><ymax>25</ymax></bndbox></object>"
            "</annotation>"
        )
    imported = import_data(tmp_path, tmp_path / "out")
    assert "BoxInst" in note(imported, "All 2 objects are boxes")
    (entry,) = json.loads(imported.train.ann_file.read_text())["annotations"]
    assert entry["bbox"] == [10, 10, 20, 15]
    assert "segmentation" not in entry


def test_labelmes_old_xml(tmp_path, two_images, all_objects):
    two_images("Images/set/{}.jpg")
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in SQUARE)
    (tmp_path / "Annotations/set").mkdir(parents=True)
    for n in "ab":
        (tmp_path / f"Annotations/set/{n}.xml").write_text(
            f"<annotation><filename>{n}.jpg</filename><folder>set</folder><object><name>car</name>"
            f"<deleted>0</deleted><polygon>{points}</polygon></object><object><name>x</name>"
            f"<deleted>1</deleted><polygon>{points}</polygon></object><imagesize><nrows>{H}</nrows>"
            f"<ncols>{W}</ncols></imagesize></annotation>"
        )
    check(all_objects, import_data(tmp_path, tmp_path / "out"), [("car", FIRST)])


def test_boxes_from_pixel_1(tmp_path, two_images, note):
    two_images("JPEGImages/{}.jpg")
    (tmp_path / "Annotations").mkdir()
    for n in "ab":
        (tmp_path / f"Annotations/{n}.xml").write_text(
            f"<annotation><filename>{n}.jpg</filename><size><width>{W}</width><height>{H}</height>"
            f"</size><object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{W}</xmax>"
            f"<ymax>{H}</ymax></bndbox></object></annotation>"
        )
    imported = import_data(tmp_path, tmp_path / "out")
    assert "1 is subtracted" in note(imported, "The boxes count pixels from 1")
    (entry,) = json.loads(imported.train.ann_file.read_text())["annotations"]
    assert entry["bbox"] == [0, 0, W, H]


def test_difficult_objects_are_ignored(tmp_path, two_images, all_objects, note):
    two_images("JPEGImages/{}.jpg")
    (tmp_path / "Annotations").mkdir()
    entry = (
        "<object><name>dog</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>10</ymin>"
        "<xmax>30</xmax><ymax>25</ymax></bndbox></object>"
    )
    for n in "ab":
        (tmp_path / f"Annotations/{n}.xml").write_text(
            f"<annotation><filename>{n}.jpg</filename>{entry.format(0, 10)}{entry.format(1, 20)}"
            "</annotation>"
        )
    imported = import_data(tmp_path, tmp_path / "out")
    assert ": 2 (" in note(imported, "Objects marked as difficult")
    for found in all_objects(imported).values():
        assert [(a["bbox"], a["iscrowd"]) for _, a, _ in found] == [
            ([10, 10, 20, 15], 0),
            ([20, 10, 10, 15], 1),
        ]


def test_masks_of_labelmes_old_xml(tmp_path, two_images, write_png, all_objects, note):
    two_images("default/{}.jpg")
    entry = (
        "<object><name>{}</name><deleted>0</deleted><segm><box><xmin>10</xmin></box>"
        "<mask>{}</mask></segm></object>"
    )
    for n in "ab":
        write_png(tmp_path / f"default/Masks/{n}_mask_0.png", FIRST.astype(np.uint8))
        (tmp_path / f"default/{n}.xml").write_text(
            f"<annotation><filename>{n}.jpg</filename><folder>default</folder>"
            f"{entry.format('cat', f'{n}_mask_0.png')}{entry.format('dog', 'lost.png')}"
            "</annotation>"
        )
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("cat", FIRST)])
    assert ": 2 (" in note(imported, "Objects whose mask file is missing")
    assert not [said for said in imported.notes if "without an xml file" in said]
