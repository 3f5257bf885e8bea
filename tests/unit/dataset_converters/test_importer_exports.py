"""Exports of public tools whose classes or kinds lie in a file beside the masks."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data
from condinst.dataset_converters.outlines import is_rectangle

H, W = 30, 40


def mask(first, second):
    """Return 6 x 6 pixels of the first value, 5 x 10 of the second."""
    made = np.zeros((H, W), np.uint8)
    made[2:8, 3:9] = first
    made[16:21, 20:30] = second
    return made


def labels(objects):
    return {
        name: sorted((label, int(pixels.sum())) for label, _, pixels in found)
        for name, found in objects.items()
    }


@pytest.fixture
def roboflow(tmp_path, draw, write_png):
    """Write Roboflow's masks of classes: two folders, each with its own table."""
    for n, part in enumerate(("train", "valid")):
        for i in range(3):
            draw(tmp_path / f"data/{part}/{part}{i}.jpg", value=40 * n + 10 * i)
            write_png(tmp_path / f"data/{part}/{part}{i}_mask.png", mask(1, 2))
        table = "Pixel Value, Class\n0, background\n1, cat\n2, dog"
        (tmp_path / f"data/{part}/_classes.csv").write_text(table)
    return tmp_path / "data"


def test_roboflows_values_are_classes(roboflow, tmp_path, objects, note):
    imported = import_data(roboflow, tmp_path / "out")
    assert imported.classes == ("cat", "dog")
    for split in (imported.train, imported.val):
        assert list(labels(objects(split)).values()) == [[("cat", 36), ("dog", 50)]] * 3
    assert "values of the masks are classes" in note(imported, "_classes.csv")
    assert import_data(roboflow, tmp_path / "two", masks="instances").classes == ("object",)


def test_roboflows_tables_that_differ(roboflow, tmp_path):
    (roboflow / "valid/_classes.csv").write_text("Pixel Value, Class\n1, dog\n2, cat")
    with pytest.raises(ValueError, match="valid/_classes.csv: line 2: value 1 is 'dog' here and"):
        import_data(roboflow, tmp_path / "out")
    (roboflow / "valid/_classes.csv").write_text("Pixel Value, Class\nx, dog")
    with pytest.raises(ValueError, match="line 2: expected a pixel value and a class"):
        import_data(roboflow, tmp_path / "out")


@pytest.fixture
def open_images(tmp_path, draw, write_png):
    rows = ["MaskPath,ImageID,LabelName,BoxID"]
    for i in range(4):
        draw(tmp_path / f"data/images/{i}a.jpg", size=(W, H), value=20 * i)
        for label, pixels in (("m01", mask(255, 0)), ("m02", mask(0, 255))):
            name = f"{i}a_{label}_b{i}{label}.png"
            write_png(tmp_path / "data/masks" / name, pixels)
            rows.append(f"{name},{i}a,/m/{label[1:]},b{i}{label}")
    (tmp_path / "data/train-segmentation.csv").write_text("\n".join(rows))
    return tmp_path / "data"


def test_open_images_classes_are_in_its_csv(open_images, tmp_path, all_objects, note):
    imported = import_data(open_images, tmp_path / "out")
    right = [("/m/01", 36), ("/m/02", 50)]
    assert list(labels(all_objects(imported)).values()) == [right] * 4
    assert "train-segmentation.csv (LabelName)" in note(imported, "classes of the masks")
    (open_images / "class-descriptions.csv").write_text("/m/01,Cat\n/m/02,Dog\n/m/03,Cow")
    named = import_data(open_images, tmp_path / "two")
    assert named.classes == ("Cat", "Dog")


def test_open_images_masks_that_the_csv_lacks(open_images, tmp_path, note):
    path = open_images / "train-segmentation.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    imported = import_data(open_images, tmp_path / "out")
    assert "that the csv does not name: 1 (masks/3a_m02" in note(imported, "does not name")


@pytest.mark.parametrize(
    ("points", "right"),
    [
        ([5, 2, 20, 2, 20, 9, 5, 9], True),
        ([14, 10, 30, 18, 26, 26, 10, 18], True),  # sides (16, 8) and (-4, 8)
        ([14, 10, 30, 18, 26, 29, 10, 18], False),
        ([5, 2, 20, 2, 20, 9], False),
        ([5, 2, 5, 2, 20, 9, 20, 9], False),
    ],
)
def test_rectangles(points, right):
    assert is_rectangle({"segmentation": [points]}) is right


def test_rotated_boxes_of_yolo_are_said(tmp_path, draw, note):
    boxes = [14, 10, 30, 18, 26, 26, 10, 18], [5, 2, 20, 2, 20, 9, 5, 9]
    for i in range(4):
        draw(tmp_path / f"data/images/{i}.png", size=(W, H), value=i)
        lines = [
            f"0 {' '.join(f'{v / (H if n % 2 else W):.6f}' for n, v in enumerate(b))}"
            for b in boxes
        ]
        (tmp_path / "data/labels").mkdir(exist_ok=True)
        (tmp_path / f"data/labels/{i}.txt").write_text("\n".join(lines))
    (tmp_path / "data/data.yaml").write_text("train: images\nval: none\nnames: [cat]")
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert "all 8 outlines are rectangles" in note(imported, "Warning")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "index,shape-type,vertex-index,axis-0,axis-1\n", "napari's shapes.*labels layer"),
        ("a.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n", "a csv of boxes"),
        ("a.csv", "filename,class,polygon\n", "a csv of polygons.*write its polygons as COCO json"),
        ("gt.txt", "1 1001 1 30 40 abc1\n1 2001 2 30 40 abc2\n", "MOTS' txt"),
        ("a.csv", "image,id,label,annotator,annotation_id,lead_time\n", "Label Studio's csv.*JSON"),
        ("a.json", '{"metadata": {}, "instances": [{"className": "a"}]}', "SuperAnnotate's json"),
        ("a.json", '[{"name": "a", "labelIdx": 1, "points": [[1, 2]]}]', "EISeg's json.*COCO"),
        ("a.json", '{"tags": [], "assets": {"1": {"regions": []}}}', "VoTT's json.*Pascal VOC"),
        ("a.json", '{"captures": [{"@type": "type.unity.com/x"}]}', "Unity.*solo2coco"),
        ("a.xml", "<Annotations><Annotation><Regions><Vertices/>", "Aperio.*label maps"),
        ("a.xml", '<?xml version="1.0"?><PcGts xmlns="x"><Page>', "PAGE xml.*as COCO json"),
        ("a.manifest", '{"source-ref": "s3://b/0.png"}\n', "SageMaker.*folder masks"),
        ("task-1-annotation-2-by-1-tag-cat-0.png", "", "Label Studio's brush masks.*export JSON"),
        ("P1_instance_id_RGB.png", "", "iSAID's masks.*iSAID's json"),
        ("a.json", '{"export_format_version": "1", "images": [{"labels": []}]}', "Hasty's json"),
        ("a.json", '{"videos": [{"file_names": []}], "annotations": []}', "YouTube-VIS"),
    ],
)
def test_more_kinds_are_named(tmp_path, draw, name, text, message):
    draw(tmp_path / "data/0.png")
    (tmp_path / "data" / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} is .*{message}"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_zip_files_of_imagej_are_named(tmp_path, draw):
    draw(tmp_path / "data/0.png")
    with zipfile.ZipFile(tmp_path / "data/0.zip", "w") as archive:
        archive.writestr("0001-0002.roi", b"Iout")
    with pytest.raises(ValueError, match=r"0.zip: ImageJ's regions are not read; .*label map"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_masks_that_begin_with_the_images_name(tmp_path, draw, write_png, all_objects):
    for i in range(3):
        draw(tmp_path / f"data/shapes_train2018/{i}.png", size=(W, H), value=i)
        write_png(tmp_path / f"data/annotations/{i}_cat_0.png", mask(255, 0))
        write_png(tmp_path / f"data/annotations/{i}_dog_1.png", mask(0, 255))
    for number, option in enumerate((None, "annotations")):
        out = tmp_path / f"out{number}"
        imported = import_data(tmp_path / "data", out, mask_folder=option)
        assert list(labels(all_objects(imported)).values()) == [[("cat", 36), ("dog", 50)]] * 3


def test_two_folders_of_masks(tmp_path, draw, write_png, all_objects):
    """Mapillary's layout."""
    for i in range(3):
        draw(tmp_path / f"data/images/{i}.png", size=(W, H), value=i)
        write_png(tmp_path / f"data/instances/{i}.png", mask(1, 2))
        write_png(tmp_path / f"data/labels/{i}.png", mask(1, 1))
    with pytest.raises(ValueError, match="say --mask-folder instances or --mask-folder labels, or"):
        import_data(tmp_path / "data", tmp_path / "out")
    imported = import_data(tmp_path / "data", tmp_path / "two", mask_folder="instances")
    right = [("object", 36), ("object", 50)]
    assert list(labels(all_objects(imported)).values()) == [right] * 3


@pytest.fixture
def tracked(tmp_path, draw, write_png):
    """Write two sequences of three images, of which the last has no mask."""
    for sequence in ("01", "02"):
        for i in range(3):
            place = tmp_path / "data" / sequence
            draw(place / f"t00{i}.tif", size=(W, H), value=i + 10 * int(sequence))
            if i < 2:
                write_png(tmp_path / f"data/{sequence}_GT/SEG/man_seg00{i}.tif", mask(4, 9))
            write_png(tmp_path / f"data/{sequence}_GT/TRA/man_track00{i}.tif", mask(1, 1))
    return tmp_path / "data"


def test_the_cell_tracking_challenge(tracked, tmp_path, all_objects, note, write_png):
    imported = import_data(tracked, tmp_path / "out")
    right = [("object", 36), ("object", 50)]
    found = labels(all_objects(imported))
    assert found == {f"{s}/t00{i}.tif": right for s in ("01", "02") for i in (0, 1)}
    assert "may outline some cells" in note(imported, "Cell Tracking")
    assert "2 (01/t002.tif, 02/t002.tif)" in note(imported, "without a mask")
    write_png(tracked / "01_ST/SEG/man_seg000.tif", mask(1, 2))
    with pytest.raises(ValueError, match="01/t000.tif: several masks fit.*_GT or _ST"):
        import_data(tracked, tmp_path / "two")


def test_compressed_annotations_are_named(tmp_path, draw):
    draw(tmp_path / "data/0.png")
    (tmp_path / "data/instances.json.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(ValueError, match=r"instances.json.gz: Compressed files .*; unpack them"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_stacks_are_named(tmp_path):
    (tmp_path / "data").mkdir()
    pages = [Image.new("L", (W, H), value) for value in (0, 50)]
    for name in ("images.tif", "labels.tif"):
        pages[0].save(tmp_path / "data" / name, save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="images.tif has 2 pages: stacks are not read; write each"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_files_of_other_programs_are_named_in_the_plural(tmp_path, draw):
    draw(tmp_path / "data/0.png")
    (tmp_path / "data/a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="a.parquet: Parquet files are not read; export them"):
        import_data(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("Slide_0{0}/{0}_{1}.png", "GT_0{0}/{0}_{1}.png"),
        ("train_img/{}{}.png", "train_lab/{}{}.png"),
        ("test/cracks{}/{}.png", "ground_truth/cracks{}/{}_mask.png"),
    ],
)
def test_folders_of_masks_beside_folders_of_other_names(
    tmp_path, write_png, all_objects, image, masks
):
    for i in range(2):
        for j in range(2):
            pixels = np.full((H, W, 3), 10 * i + j, np.uint8)
            write_png(tmp_path / "data" / image.format(i, j), pixels)
            write_png(tmp_path / "data" / masks.format(i, j), mask(1, 2))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    right = [("object", 36), ("object", 50)]
    assert list(labels(all_objects(imported)).values()) == [right] * 4


def test_folders_beside_masks_are_not_guessed(tmp_path, write_png):
    """Two folders have the names of the masks, or a mask has no image."""
    for i in range(3):
        for name in ("left", "right", "masks"):
            pixels = np.full((H, W, 3), i, np.uint8)
            write_png(tmp_path / "data" / name / f"{i}.png", mask(1, 2) if "m" in name else pixels)
    with pytest.raises(ValueError, match="no known annotations"):
        import_data(tmp_path / "data", tmp_path / "out")
    for i in range(2):
        (tmp_path / f"data/right/{i}.png").unlink()
        (tmp_path / f"data/left/{i}.png").unlink()
    (tmp_path / "data/right/2.png").unlink()
    with pytest.raises(ValueError, match="no known annotations"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_folders_of_masks_name_no_classes(tmp_path, draw, write_png, note):
    for name in ("bear", "dog"):
        for i in range(2):
            draw(tmp_path / f"data/images/{name}/{i}.png", size=(W, H), value=i + len(name))
            write_png(tmp_path / f"data/masks/{name}/{i}.png", mask(1, 2))
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert "such as bear: the folders' names" in note(imported, "are not read as classes")
    assert imported.classes == ("object",)
