"""Exports of CVAT, VIA, Kaggle, QuPath, Label Studio and others, with masks drawn by the test."""

import base64
import csv
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from condinst.dataset_converters import import_data

H, W = 60, 100
SQUARE = [[10, 10], [30, 10], [30, 25], [10, 25]]
OTHER = [[50, 20], [80, 20], [80, 50], [50, 50]]
HOLE = [[60, 30], [70, 30], [70, 40], [60, 40]]


def boxed(x1, y1, x2, y2):
    mask = np.zeros((H, W), bool)
    mask[y1:y2, x1:x2] = True
    return mask


FIRST, SECOND = boxed(10, 10, 30, 25), boxed(50, 20, 80, 50)
WITH_HOLE = SECOND & ~boxed(60, 30, 70, 40)


@pytest.fixture
def images(tmp_path):
    def write(pattern="{}.png"):
        for n in "ab":
            path = tmp_path / pattern.format(n)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((H, W, 3), ord(n), np.uint8)).save(path)
        return tmp_path

    return write


def check(all_objects, imported, expected):
    """Compare every image with [(class, mask)], in any order."""
    for found in all_objects(imported).values():
        got = sorted((label, mask.tobytes()) for label, _, mask in found)
        assert got == sorted((label, mask.tobytes()) for label, mask in expected)


def test_cvat_for_images(tmp_path, images, all_objects, note):
    images("images/{}.png")
    rle = "5,3,12,5,5"  # of a box of 6 x 5
    entries = "".join(
        f"""<image id="{i}" name="{n}.png" width="{W}" height="{H}">
        <polygon label="car" source="manual" occluded="0" z_order="0"
          points="10.00,10.00;30.00,10.00;30.00,25.00;10.00,25.00"></polygon>
        <mask label="bus" source="manual" occluded="0" rle="{rle}" left="40" top="30" width="6"
          height="5" z_order="0"></mask>
        <polyline label="car" points="1,1;5,5"></polyline>
        <box label="car" xtl="1" ytl="40" xbr="9" ybr="50"></box></image>"""
        for i, n in enumerate("ab")
    )
    (tmp_path / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
        f"<task><name>x</name></task></meta>{entries}</annotations>"
    )
    imported = import_data(tmp_path, tmp_path / "out")
    small = np.zeros(30, bool)
    small[5:8], small[20:25] = True, True
    bus = np.zeros((H, W), bool)
    bus[30:35, 40:46] = small.reshape(5, 6)
    expected = [("car", FIRST), ("bus", bus), ("car", boxed(1, 40, 9, 50))]
    check(all_objects, imported, expected)
    assert "crowd" in note(imported, "2 objects have a box and no outline")
    assert import_data(tmp_path / "annotations.xml", tmp_path / "out").format == "cvat"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations><image name="&x;"/></annotations>', "DOCTYPE"),
        ("<annotations><track/></annotations>", "CVAT's export for videos"),
        ("<annotations><image>", "not XML"),
        ('<annotations><image name="a.png" width="5" height="5"/></annotations>', "100 x 60"),
        (
            f'<annotations><image name="a.png" width="{W}" height="{H}"><mask label="a" left="99" '
            'top="0" width="5" height="1" rle="5"/></image></annotations>',
            "leaves the image",
        ),
    ],
)
def test_cvat_files_that_are_wrong(tmp_path, images, text, message):
    images()
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        import_data(tmp_path, tmp_path / "out", fmt="cvat")


def _rle(mask, by_rows):
    flat = np.concatenate([[0], mask.ravel() if by_rows else mask.T.ravel(), [0]]).astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{a} {b - a}" for a, b in edges.reshape(-1, 2))


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        (["ImageId", "EncodedPixels"], lambda n, r, c: [n, r]),
        (["id", "annotation", "width", "height", "cell_type"], lambda n, r, c: [n, r, W, H, c]),
        (["ImageId", "ClassId", "EncodedPixels"], lambda n, r, c: [f"{n}.png", c, r]),
        (["Image_Label", "EncodedPixels"], lambda n, r, c: [f"{n}.png_{c}", r]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_kaggles_csv(tmp_path, images, all_objects, header, row, by_rows, encoding):
    images("train/{}.png")
    with open(tmp_path / "train.csv", "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for n in "ab":
            writer.writerow(row(n, _rle(FIRST, by_rows), "cort"))
            writer.writerow(row(n, _rle(WITH_HOLE, by_rows), "astro"))
    imported = import_data(tmp_path, tmp_path / "out")
    classes = ("cort", "astro") if len(header) > 2 or "_" in header[0] else ("object", "object")
    check(all_objects, imported, list(zip(classes, (FIRST, WITH_HOLE), strict=True)))


def test_rows_that_are_classes_are_asked_for(tmp_path, images, all_objects):
    images()
    with open(tmp_path / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for n in "ab":
            writer.writerow([f"{n}.png", "3", _rle(FIRST | SECOND, False)])
    with pytest.raises(ValueError, match="--masks classes"):
        import_data(tmp_path, tmp_path / "out")
    imported = import_data(tmp_path, tmp_path / "out", masks="classes")
    check(all_objects, imported, [("class_3", FIRST), ("class_3", SECOND)])


def _feature(kind, coordinates, name, **properties):
    return {
        "type": "Feature",
        "id": "8f1f",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": name, "color": [200, 0, 0]},
            **properties,
        },
    }


@pytest.mark.parametrize("as_list", [True, False])
def test_geojson_of_qupath(tmp_path, images, all_objects, note, as_list):
    images("{}.tif")
    ring = [*SQUARE, SQUARE[0]]
    features = [
        _feature("Polygon", [ring], "Tumor"),
        _feature("MultiPolygon", [[[*OTHER, OTHER[0]], [*HOLE, HOLE[0]]]], "Stroma"),
        _feature("Point", [5, 5], "Tumor"),
        {"type": "Feature", "geometry": None, "properties": {}},
        {"type": "Feature", "geometry": {"type": "GeometryCollection", "geometries": []}},
        _feature("Polygon", [ring], "Ignore*"),
    ]
    for n in "ab":
        data = features if as_list else {"type": "FeatureCollection", "features": features}
        (tmp_path / f"{n}.geojson").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("Tumor", FIRST), ("Stroma", WITH_HOLE)])
    assert note(imported, "(Point)")
    assert "feature 3" in note(imported, "without a geometry")
    assert note(imported, "ignored class")


def test_geojson_of_a_map_is_refused(tmp_path, images):
    images()
    data = {"type": "FeatureCollection", "crs": {}, "features": [_feature("Point", [1, 1], "a")]}
    (tmp_path / "a.geojson").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="coordinates of a map"):
        import_data(tmp_path, tmp_path / "out")


def _studio(value, kind):
    return {
        "original_width": W,
        "original_height": H,
        "image_rotation": 0,
        "value": value,
        "id": "x",
        "from_name": "label",
        "to_name": "image",
        "type": kind,
        "origin": "manual",
    }


@pytest.mark.parametrize("minimal", [False, True])
def test_label_studio(tmp_path, images, all_objects, minimal):
    images()
    percent = [[x / W * 100, y / H * 100] for x, y in SQUARE]
    tasks = []
    for i, n in enumerate("ab"):
        polygon = {"points": percent, "closed": True, "polygonlabels": ["car"]}
        box = dict(x=50, y=20 / H * 100, width=30, height=50, rotation=0, rectanglelabels=["bus"])
        name = f"/data/upload/1/0a1b2c3{i}-{n}.png"
        if minimal:
            both = [{**v, "original_width": W, "original_height": H} for v in (polygon, box)]
            tasks.append({"image": name, "id": i, "label": both, "annotator": 1})
        else:
            result = [_studio(polygon, "polygonlabels"), _studio(box, "rectanglelabels")]
            done = [{"id": 1, "was_cancelled": True, "result": []}, {"id": 2, "result": result}]
            tasks.append({"id": i, "annotations": done, "data": {"image": name}})
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", SECOND)])


def _brush(mask):
    """Encode a mask as Label Studio does: runs of RGBA values."""
    flat = np.repeat(mask.ravel() * 255, 4)
    bits = f"{flat.size:032b}{8 - 1:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    for start, end in zip(edges, edges[1:], strict=False):
        while start < end:
            step = min(end - start, 1 << 16)
            bits += f"111{step - 1:016b}{flat[start]:08b}"
            start += step
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_brushes_of_label_studio(tmp_path, images, all_objects):
    images()
    tasks = [
        {
            "data": {"image": f"/data/local-files/?d=x/{n}.png"},
            "annotations": [
                {
                    "result": [
                        _studio(
                            {"format": "rle", "rle": _brush(WITH_HOLE), "brushlabels": ["a"]},
                            "brushlabels",
                        )
                    ]
                }
            ],
        }
        for n in "ab"
    ]
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    check(all_objects, import_data(tmp_path, tmp_path / "out"), [("a", WITH_HOLE)])


def test_panoptic(tmp_path, images, all_objects):
    images("val2017/{}.jpg")
    ids = np.zeros((H, W), int)
    ids[FIRST], ids[WITH_HOLE], ids[:5] = 3_226_956, 70_000, 1234
    png = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8)
    (tmp_path / "panoptic_val2017").mkdir()
    for n in "ab":
        Image.fromarray(png).save(tmp_path / f"panoptic_val2017/{n}.png")
    segments = [(3_226_956, 1), (70_000, 2), (1234, 7)]
    data = {
        "images": [dict(id=i, file_name=f"{n}.jpg", height=H, width=W) for i, n in enumerate("ab")],
        "annotations": [
            dict(
                image_id=i,
                file_name=f"{n}.png",
                segments_info=[dict(id=k, category_id=c, area=1, iscrowd=0) for k, c in segments],
            )
            for i, n in enumerate("ab")
        ],
        "categories": [
            dict(id=1, name="car", isthing=1),
            dict(id=2, name="bus", isthing=1),
            dict(id=7, name="sky", isthing=0),
        ],
    }
    (tmp_path / "panoptic_val2017.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE)])


def test_segment_anything(tmp_path, images, all_objects):
    images("{}.jpg")
    for n in "ab":
        rle = coco_mask.encode(np.asfortranarray(WITH_HOLE, np.uint8))
        entry = dict(segmentation=dict(size=[H, W], counts=rle["counts"].decode()), id=5, area=3)
        entry |= dict(bbox=[1, 1, 2, 2], predicted_iou=0.9, stability_score=0.9)
        head = dict(image_id=1, width=W, height=H, file_name=f"{n}.jpg")
        (tmp_path / f"{n}.json").write_text(json.dumps(dict(image=head, annotations=[entry])))
    check(all_objects, import_data(tmp_path, tmp_path / "out"), [("object", WITH_HOLE)])


def test_supervisely(tmp_path, images, all_objects):
    images("ds/img/{}.png")
    buffer = io.BytesIO()
    Image.fromarray(WITH_HOLE[20:50, 50:80]).save(buffer, "PNG")
    bitmap = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    (tmp_path / "ds/ann").mkdir()
    for n in "ab":
        objects = [
            dict(
                classTitle="car",
                geometryType="polygon",
                points=dict(exterior=SQUARE, interior=[]),
            ),
            dict(
                classTitle="bus", geometryType="bitmap", bitmap=dict(data=bitmap, origin=[50, 20])
            ),
            dict(
                classTitle="van",
                geometryType="polygon",
                points=dict(exterior=OTHER, interior=[HOLE]),
            ),
        ]
        data = dict(description="", tags=[], size=dict(height=H, width=W), objects=objects)
        (tmp_path / f"ds/ann/{n}.png.json").write_text(json.dumps(data))
    (tmp_path / "meta.json").write_text(json.dumps({"classes": [{"title": "car"}], "tags": []}))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE), ("van", WITH_HOLE)])


def test_datumaro(tmp_path, images, all_objects, note):
    images("images/default/{}.png")
    rle = coco_mask.encode(np.asfortranarray(WITH_HOLE, np.uint8))["counts"].decode()
    flat = [float(v) for point in SQUARE for v in point]
    common = dict(attributes={}, z_order=0)
    entries = [
        dict(id=1, type="polygon", label_id=0, group=0, points=flat, **common),
        dict(id=2, type="mask", label_id=1, group=4, rle=dict(counts=rle, size=[H, W]), **common),
        dict(id=3, type="bbox", label_id=1, group=4, bbox=[50, 20, 30, 30], **common),
    ]
    items = [
        dict(id=n, annotations=entries, attr={}, image=dict(path=f"{n}.png", size=[H, W]))
        for n in "ab"
    ]
    labels = [dict(name=name, parent="", attributes=[]) for name in ("car", "bus")]
    data = dict(info={}, categories=dict(label=dict(labels=labels)), items=items)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/default.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE)])
    assert note(imported, "4 shapes joined into 2 instances")


def test_boxes_of_voc_choose_boxinst(tmp_path, images, note):
    images("JPEGImages/{}.jpg")
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


def test_labelmes_old_xml(tmp_path, images, all_objects):
    images("Images/set/{}.jpg")
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


def test_lvis(tmp_path, images):
    images("train2017/{}.jpg")
    data = {
        "images": [
            dict(
                id=i,
                width=W,
                height=H,
                coco_url=f"http://images.cocodataset.org/train2017/{n}.jpg",
                neg_category_ids=[],
                not_exhaustive_category_ids=[],
            )
            for i, n in enumerate("ab")
        ],
        "categories": [dict(id=1, name="car", frequency="c", synset="car.n.01")],
        "annotations": [
            dict(
                id=i,
                image_id=i,
                category_id=1,
                bbox=[10, 10, 20, 15],
                area=300,
                segmentation=[sum(SQUARE, [])],
            )
            for i in (0, 1)
        ],
    }
    (tmp_path / "lvis_v1.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.train.num_images, imported.val.num_images) == (1, 1)
    assert imported.train.num_annotations == 1


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
def test_via_3_and_csv(tmp_path, images, all_objects, kind):
    images()
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


def test_two_equal_files_of_via_are_read_once(tmp_path, images, all_objects, note):
    images()
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
