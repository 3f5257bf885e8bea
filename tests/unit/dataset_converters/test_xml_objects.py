"""Test the reader of XML with boxes or outlines: Pascal VOC and the old labelme."""

import json

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
