"""What a config and its data are checked for, together and before a training."""

import pytest
from checked_project import SQUARE, Project, set_annotation
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from condinst.datasets.coco import coco_file


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_sound_data_are_counted(project):
    train, val = project.check().notes
    assert train == (
        f"train_dataloader.dataset: {project.root}/train.json: 4 images, 6 annotations, "
        "3 classes; 1 image left out by filter_cfg; skipped or ignored: 1 crowd; "
        "1 in uncompressed RLE; headers of 3 images read"
    )
    assert val.startswith("val_dataloader.dataset")
    assert "1 image without an object to learn from kept" in val
    assert str(project.check()).startswith("data checked in ")


def test_everything_wrong_is_one_message(project):
    project.cfg.model.bbox_head.num_classes = 80
    (project.root / "images" / "3.png").unlink()
    set_annotation(project.data, image_id=77)
    project.write("train.json")
    (project.root / "val.json").unlink()
    project.fails(
        "\n  1. ",
        "\n  4. ",
        "annotations point to an image id",
        "model.bbox_head.num_classes is 80, the dataset has 3 classes",
        "1 of 2 images are missing: ",
        "val.json: file not found",
    )


def test_a_config_without_classes_for_other_categories_gets_the_line_to_write(project):
    del project.train.metainfo
    project.fails(
        "set metainfo=dict(classes=('cat', 'dog', 'sheep',)) and model.bbox_head.num_classes=3"
    )


def test_a_single_class_without_its_comma(project):
    project.train.metainfo.classes = "cat"
    project.fails('metainfo.classes must be a tuple of names such as ("cat",)')


def test_classes_may_be_fewer_than_the_file_has(project):
    for split in ("train", "val", "test"):
        project.cfg[f"{split}_dataloader"].dataset.metainfo.classes = ("cat", "sheep")
    project.cfg.model.bbox_head.num_classes = 2
    assert "skipped or ignored: 2 of other classes" in project.check().notes[0]


def test_missing_folder_and_wrong_sizes(project):
    Image.new("RGB", (40, 60)).save(project.root / "images" / "1.png")
    (project.root / "images" / "2.png").write_bytes(b"")
    (project.root / "images" / "3.png").write_text("no image")
    project.cfg.val_dataloader.dataset.data_prefix.img = "nowhere/"
    project.fails(
        "3 of 3 images whose headers were read are broken or of another size",
        "1.png (40 x 60, annotated 60 x 40)",
        "2.png (empty)",
        "3.png (not an image)",
        "4 of 4 images are missing: ",
    )


def test_an_image_that_exif_turns_is_accepted_in_both_orientations(project):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(project.root / "images" / "1.png", exif=exif)
    Image.new("RGB", (40, 60)).save(project.root / "images" / "2.png", exif=exif)
    project.check()


def test_evaluation_files(project):
    set_annotation(project.data, segmentation=[[1, 2, 3, 4]])
    project.data["images"].pop()
    project.write("truth.json")
    project.cfg.val_evaluator.ann_file = f"{project.root}/truth.json"
    project.cfg.val_evaluator.metric = ["segm"]
    project.fails(
        f"val_evaluator: {project.root}/truth.json: lacks 1 image ids of "
        f"{project.root}/val.json: 4",
        "1 annotations without a usable segmentation, on which mask AP (metric segm) would fail: "
        "ids 3",
    )
    project.cfg.val_evaluator.metric = "bbox"
    with pytest.raises(ValueError, match="lacks 1 image") as caught:
        project.check()
    assert "mask AP" not in str(caught.value)

    project.cfg.test_evaluator[0].ann_file = f"{project.root}/gone.json"
    project.fails(f"test_evaluator[0]: {project.root}/gone.json: file not found")


@pytest.mark.parametrize("empty", [False, True])
def test_a_test_set_without_annotations_needs_format_only(project, empty):
    """Its AP would be -1, and the best checkpoint any."""
    if empty:
        project.data["annotations"] = []
    else:
        del project.data["annotations"]
    project.write("val.json")
    project.fails("has no annotations to evaluate with; format_only=True writes predictions only")
    project.cfg.val_evaluator.format_only = project.cfg.test_evaluator[0].format_only = True
    assert "val.json: 4 images, 0 annotations" in project.check().notes[1]


def test_objects_that_no_ap_counts(project):
    """Crowds alone, or objects of other classes: AP would be -1 as well."""
    for annotation in project.data["annotations"]:
        annotation["iscrowd"] = 1
    project.write("val.json")
    project.fails("val.json: has no objects to evaluate with: all 6 annotations are crowds")
    for annotation in project.data["annotations"]:
        annotation.update(iscrowd=0, category_id=10)
    project.write("val.json")
    for split in ("train", "val", "test"):
        project.cfg[f"{split}_dataloader"].dataset.metainfo.classes = ("dog",)
    project.cfg.model.bbox_head.num_classes = 1
    project.fails("val.json: has no objects to evaluate with: none of its 6 annotations is of the")


@pytest.mark.parametrize("kind", ["CocoMetric", "mmdet.CocoMetric", "MatchingMetric"])
@pytest.mark.parametrize("value", [{}, {"ann_file": None}, {"ann_file": ""}])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_metric_without_an_annotation_file(project, kind, value, wrapped):
    metric = {"type": kind, **value}
    project.cfg.val_evaluator = {"type": "Evaluator", "metrics": metric} if wrapped else metric
    key = "val_evaluator.metrics" if wrapped else "val_evaluator"
    project.fails(
        f"{key}.ann_file={value.get('ann_file')!r}: expected the annotation file of "
        f"val_dataloader ({project.root}/val.json)"
    )


@pytest.mark.parametrize("value", [{}, {"ann_file": ""}])
def test_a_dataset_without_an_annotation_file(project, value):
    node = project.cfg.val_dataloader.dataset
    del node["ann_file"]
    node.update(value)
    project.fails("val_dataloader.dataset.ann_file='': expected a COCO file, below data_root")


def test_annotations_from_the_dataset(project):
    """A metric without a file gets them only if the pipeline packs them, and if there are any."""
    project.cfg.val_evaluator.ann_file = None
    project.fails("or 'instances' in meta_keys of its PackDetInputs")
    packed = {"type": "PackDetInputs", "meta_keys": ("img_id", "instances")}
    project.cfg.val_dataloader.dataset.pipeline = [packed]
    project.check()
    project.data["annotations"] = []
    project.write("empty.json")
    project.cfg.val_dataloader.dataset.ann_file = "empty.json"
    project.fails("val_evaluator: ", "empty.json: has no annotations to evaluate with")


def test_the_file_of_a_matching_metric(project):
    project.cfg.val_evaluator = {"type": "MatchingMetric", "ann_file": f"{project.root}/m.json"}
    project.fails(f"val_evaluator: {project.root}/m.json: file not found")
    project.data["images"].pop()
    project.write("m.json")
    project.fails(f"val_evaluator: {project.root}/m.json: lacks 1 image ids of")
    set_annotation(project.data, segmentation=[])
    project.write("m.json")
    project.fails("1 annotations without a usable segmentation")


@pytest.mark.parametrize("segmentation", [[], [[1, 2, 3, 4]], [[1, 2, 3, 4], *SQUARE]])
def test_pycocotools_fails_on_what_is_refused_for_mask_ap(project, segmentation):
    """Why such a file is refused before the run; delete the check when pycocotools copes."""
    set_annotation(project.data, segmentation=segmentation)
    project.write("val.json")
    project.fails("on which mask AP (metric segm) would fail: ids 3")
    truth = COCO(str(project.root / "val.json"))
    found = truth.loadRes([{"image_id": 1, "category_id": 10, "bbox": [1, 1, 9, 9], "score": 1.0}])
    with pytest.raises((IndexError, TypeError)):
        COCOeval(truth, found, "segm").evaluate()


def test_objects_with_boxes_alone_are_counted_and_may_be_evaluated(project):
    """Object 3 has no mask: ignored and refused, then learned and left out."""
    set_annotation(project.data, segmentation=[])
    project.write("val.json")
    project.write("train.json")
    project.fails("segm) would fail: ids 3; allow_box_only=True of the metric leaves")
    for evaluator in (project.cfg.val_evaluator, project.cfg.test_evaluator[0]):
        evaluator.allow_box_only = True
    note = project.check().notes[0]
    assert "1 without a segmentation (allow_box_only=True of the dataset learns" in note
    project.train.allow_box_only = True
    note = project.check().notes[0]
    assert "1 objects have a box and no mask, and are learned from it" in note
    assert "without a segmentation" not in note
    for annotation in project.data["annotations"]:
        annotation["segmentation"] = []
    project.write("val.json")
    project.fails("no object has a mask, so that there is no mask AP: set metric=['bbox']")


def test_wrapped_datasets_are_found_and_others_left_alone(project):
    plain = project.train.to_dict()
    missing = {**plain, "ann_file": "gone.json"}
    other = {"type": "LVISV1Dataset", "ann_file": "lvis.json"}
    remote = {**plain, "ann_file": "s3://bucket/train.json", "data_prefix": {"img": "s3://b/"}}
    nested = {"type": "RepeatDataset", "times": 3, "dataset": missing}
    balanced = {"type": "ClassBalancedDataset", "oversample_thr": 0.1, "dataset": nested}
    several = {"type": "ConcatDataset", "datasets": [plain, balanced, other, remote]}
    mixed = {"type": "MultiImageMixDataset", "pipeline": [], "dataset": several}
    project.cfg.train_dataloader.dataset = mixed
    project.fails(
        "\n  1. train_dataloader.dataset.dataset.datasets[1].dataset.dataset: "
        f"{project.root}/gone.json: file not found"
    )
    del several["datasets"][1]
    project.cfg.train_dataloader.dataset = mixed
    notes = project.check(splits=["train"]).notes
    assert "4 images" in notes[0]
    assert notes[1:] == [
        "train_dataloader.dataset.dataset.datasets[1]: not checked (type LVISV1Dataset)",
        "train_dataloader.dataset.dataset.datasets[2]: not checked (s3://bucket/train.json is not "
        "a local file)",
    ]


def test_an_unknown_argument_of_a_dataset_is_named(project):
    project.train.ann_fil = "typo.json"
    project.fails("train_dataloader.dataset: TypeError", "ann_fil")


@pytest.mark.parametrize(("step", "stride", "drawn"), [({}, 4, 2), ({"stride": 2}, 2, 4)])
def test_mask_targets_of_another_stride_than_the_mask_head_s(project, step, stride, drawn):
    project.train.pipeline.append({"type": "PrepareMaskTargets", **step})
    project.cfg.model.mask_head = {"mask_out_stride": stride}
    project.check()
    project.cfg.model.mask_head = {"mask_out_stride": drawn}
    project.fails(
        f"train_dataloader.dataset.pipeline: PrepareMaskTargets has stride={stride}, but "
        f"model.mask_head.mask_out_stride is {drawn}"
    )


def test_a_data_prefix_without_img_is_named(project):
    project.train.data_prefix = {"img_path": "images/"}
    project.fails("train_dataloader.dataset: data_prefix: expected the key img, got {'img_path': ")


def test_each_file_is_parsed_once(project, monkeypatch):
    read = []
    open_json = coco_file.open_json
    monkeypatch.setattr(coco_file, "open_json", lambda path: read.append(path) or open_json(path))
    project.check()
    assert sorted(read) == [f"{project.root}/train.json", f"{project.root}/val.json"]


def test_splits_choose_what_is_checked(project):
    (project.root / "val.json").unlink()
    project.check(splits=["train"])
    project.cfg.pop("train_dataloader")
    with pytest.raises(ValueError, match=r"val\.json: file not found"):
        project.check()
