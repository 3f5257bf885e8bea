"""Test the readers of VIA 3 and of VIA's csv files."""

import csv
import json

import pytest
from two_images import FIRST, SECOND, SQUARE, check

from condinst.dataset_converters import import_data


def _via3():
    return {
        "project": {"pname": "x"},
        "config": {},
        "attribute": {"1": {"aname": "kind", "type": 4, "options": {"0": "car", "1": "bus"}}},
        "file": {str(i): dict(fid=str(i), fname=f"{n}.png", type=2) for i, n in enumerate("ab")},
        "metadata": {
            f"{view}_{k}": {"vid": view, "flg": 0, "z": [], "xy": xy, "av": {"1": value}}
            for view in "01"
            for k, (xy, value) in enumerate(
                [([7, *sum(SQUARE, [])], "0"), ([2, 50, 20, 30, 30], "1")]
            )
        },
        "view": {str(i): {"fid_list": [str(i)]} for i in (0, 1)},
    }


@pytest.mark.parametrize("kind", ["project", "csv3", "csv2"])
def test_via_3_and_csv(tmp_path, two_images, all_objects, kind):
    two_images()
    names = ("car", "bus")
    if kind == "project":
        (tmp_path / "via.json").write_text(json.dumps(_via3()))
    elif kind == "csv3":
        with open(tmp_path / "via.csv", "w", newline="") as file:
            file.write("# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg)\n")
            file.write('# CSV_HEADER = metadata_id,file_list,flags,"temporal_coordinates"\n')
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            for n in "ab":
                for xy, name in (([7, *sum(SQUARE, [])], "car"), ([2, 50, 20, 30, 30], "bus")):
                    row = ["1_a", [f"{n}.png"], 0, [], xy, {"kind": name}]
                    writer.writerow([v if isinstance(v, str) else json.dumps(v) for v in row])
    else:
        shapes = [
            dict(
                name="polygon",
                all_points_x=[x for x, _ in SQUARE],
                all_points_y=[y for _, y in SQUARE],
            ),
            dict(name="rect", x=50, y=20, width=30, height=30),
        ]
        with open(tmp_path / "via_region_data.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["#filename", "file_size", "file_attributes", "region_count", "region_id"]
                + ["region_shape_attributes", "region_attributes"]
            )
            for n in "ab":
                for i, (shape, name) in enumerate(zip(shapes, names, strict=True)):
                    kind_of = json.dumps({"class": name})
                    writer.writerow([f"{n}.png", 9, "{}", 2, i, json.dumps(shape), kind_of])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.format == "via"
    check(all_objects, imported, [("car", FIRST), ("bus", SECOND)])


def test_two_equal_files_of_via_are_read_once(tmp_path, two_images, all_objects, note):
    two_images()
    for name in ("via_region_data.json", "via_project.json"):
        (tmp_path / name).write_text(json.dumps(_via3()))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", SECOND)])
    assert note(imported, "read once")
    other = _via3()
    other["metadata"]["0_0"]["xy"][1] = 11
    (tmp_path / "via_project.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="with other regions .*--data FILE"):
        import_data(tmp_path, tmp_path / "out")
