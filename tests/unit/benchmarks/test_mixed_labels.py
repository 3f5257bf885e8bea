"""Masks for a share of the images: the plan, the annotation files and the configs."""

import copy
import json
from types import SimpleNamespace

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from benchmarks import mixed_labels, runs
from benchmarks.mixed_labels import Run, config, derive, images_with_masks, plan
from condinst.config.build import build_model
from condinst.config.check import check_config
from condinst.datasets.checks.target_checks import check_targets
from condinst.registry import DATASETS


def test_the_plan_begins_with_what_the_targets_compare():
    found = [(r.kind, r.share, r.seed) for r in plan([0, 5, 10, 20, 50, 100], [0, 1])]
    first = [("mixed", 20), ("masks", 20), ("boxes", 0), ("masks", 100)]
    first += [("averaged", 0), ("teacher", 0)]
    assert found[:12] == [(*pair, seed) for seed in (0, 1) for pair in first]
    assert found[12:14] == [("mixed", 50, 0), ("masks", 50, 0)]
    # of a seed: 6 shares, of which 4 have masks and mixed, and three kinds of boxes alone
    assert len(found) == len(set(found)) == 2 * 12
    assert {kind for kind, share, _ in found if share == 100} == {"masks"}
    assert [r.share for r in plan([0, 20, 100], [0], ["boxes"])] == [0]
    assert [r.share for r in plan([5, 20, 100], [0], ["masks"])] == [20, 100, 5]


def test_smaller_shares_are_among_larger_ones():
    ids = [7 * i for i in range(50)]
    chosen = [images_with_masks(ids, share, seed=3) for share in (0, 1, 10, 20, 50, 100)]
    # 1% of 50 images is half of one
    assert [len(one) for one in chosen] == [0, 1, 5, 10, 25, 50]
    assert all(a < b for a, b in zip(chosen, chosen[1:], strict=False))
    assert images_with_masks(ids[::-1], 20, seed=3) == chosen[3]
    assert images_with_masks(ids, 20, seed=4) != chosen[3]


def coco(num_images):
    """Two objects and a crowd in each image; the first object's mask is half of its box."""
    annotations = []
    for image in range(num_images):
        for number in range(3):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=1,
                    bbox=[1, 2, 10, 4],
                    area=20 if number == 0 else 40,
                    iscrowd=int(number == 2),
                    segmentation=[[1, 2, 11, 2, 11, 6]],
                )
            )
    images = [dict(id=i, file_name=f"{i}.png", width=20, height=20) for i in range(num_images)]
    return dict(images=images, annotations=annotations, categories=[dict(id=1, name="nucleus")])


def test_annotations_of_each_kind_by_hand():
    content = coco(10)
    before = copy.deepcopy(content)
    mixed = derive(content, Run("mixed", 20, 0))
    masks = derive(content, Run("masks", 20, 0))
    boxes = derive(content, Run("boxes", 0, 0))
    assert content == before
    assert (len(mixed["images"]), len(mixed["annotations"])) == (10, 30)
    alone = [one for one in mixed["annotations"] if "segmentation" not in one]
    assert len(alone) == 8 * 2
    # nothing of the mask is left
    assert {(one["area"], tuple(one["bbox"])) for one in alone} == {(40, (1, 2, 10, 4))}
    with_masks = {one["image_id"] for one in mixed["annotations"] if "segmentation" in one
                  and not one["iscrowd"]}  # fmt: skip
    assert with_masks == {image["id"] for image in masks["images"]}
    assert (len(masks["images"]), len(masks["annotations"])) == (2, 6)
    assert all("segmentation" in one for one in masks["annotations"])
    assert sum("segmentation" in one for one in boxes["annotations"]) == 10  # the crowds
    assert derive(content, Run("masks", 100, 0)) == content


def arguments(folder, **changes):
    values = dict(iterations=30, stride=2, cfg_options={}, weights=folder / "w.pth", folder=folder)
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("run", [Run("mixed", 50, 0), Run("masks", 50, 0)], ids=str)
def test_model_and_images_of_a_run(datasets, tmp_path, run, stride):
    folder = datasets / "nuclei"
    content = json.loads((folder / "annotations/instances_train.json").read_text())
    content["images"] = sorted(content["images"], key=lambda i: i["height"] * i["width"])[:6]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    path = tmp_path / "derived.json"
    path.write_text(json.dumps(derive(content, run)))
    cfg = config(arguments(folder, stride=stride), run, path)
    check_config(cfg)
    dataset = cfg.train_dataloader.dataset
    assert check_targets("train", dataset.pipeline, cfg.model, dataset) == []
    model = build_model(cfg)
    assert model.mask_head.mask_out_stride == stride
    assert (model.mask_head.boxes is not None) == (run.kind == "mixed")
    chosen = images_with_masks(ids, 50, 0)
    with DefaultScope.overwrite_default_scope("condinst"):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    found = {}
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        masks = sample.gt_instances.masks
        assert masks.stride == stride
        if len(masks):
            found[sample.img_id] = masks.box_only
    if run.kind == "masks":
        assert set(found) <= chosen
        assert all(flags is None for flags in found.values())
    else:
        assert set(found) - chosen
        assert all(bool(flags.all()) == (i not in chosen) for i, flags in found.items())
        # 8 pixels apart, as BoxInst's published 2 cells of 4
        assert cfg.model.mask_head.box_supervision.pairwise_dilation * stride == 8


@pytest.mark.parametrize("kind", ["averaged", "teacher"])
def test_boxteacher_and_what_it_is_compared_with(datasets, kind):
    folder = datasets / "nuclei"
    annotations = folder / "annotations/instances_train.json"
    cfg = config(arguments(folder), Run(kind, 0, 0), annotations)
    check_config(cfg)
    published = Config.fromfile(
        runs.ROOT / "configs" / "nuclei" / "nuclei_boxteacher_mobilenetv2_fpn.py"
    )
    # colors and averaging are those of the config
    steps = [dict(step) for step in cfg.train_dataloader.dataset.pipeline]
    colors = [dict(step) for step in published.train_pipeline[-5:]]
    hook = dict(published.custom_hooks[-1])
    if kind == "averaged":
        colors.remove(dict(type="KeepTeacherImage"))
        hook["type"] = "EMAHook"
    assert steps[-len(colors) :] == colors
    assert [step["type"] for step in steps].count("PhotoMetricDistortion") == 1
    # BoxTeacherHook averages buffers by default
    assert dict(cfg.custom_hooks[-1]) == dict(**hook, update_buffers=True)
    dataset = cfg.train_dataloader.dataset
    assert check_targets("train", dataset.pipeline, cfg.model, dataset) == []


def words(folder, tmp_path, *more):
    weights = tmp_path / "weights.pth"
    if not weights.is_file():
        weights.touch()
    paths = ["--results", tmp_path / "out" / "mixed.json", "--work", tmp_path / "work"]
    return [str(w) for w in (folder, *paths, "--weights", weights, "--seeds", 0, *more)]


def test_a_run_with_a_result_is_not_repeated(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "nuclei"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(coco(10)))
    trained = []

    def train_once(cfg, place, key, *more):
        trained.append((key["kind"], key["share"], *more[:2]))
        assert cfg.train_dataloader.dataset.ann_file.endswith(f"{place.name}.json")
        if len(trained) == 3:
            raise KeyboardInterrupt  # the session ends
        return dict(cpu_minutes=2.0, minutes=1.0, checkpoint=place / "a.pth")

    monkeypatch.setattr(runs, "train_once", train_once)
    monkeypatch.setattr(runs, "measure", lambda *_: dict(mask_ap=0.5, box_ap=0.4))
    call = words(folder, tmp_path, "--shares", 0, 20, 100, "--only", "mixed", "masks", "boxes")
    with pytest.raises(KeyboardInterrupt):
        mixed_labels.main(call)
    mixed_labels.main([*call, "--plan"])
    assert capsys.readouterr().out.splitlines()[-2:] == ["boxes 0% seed 0", "masks 100% seed 0"]
    mixed_labels.main(call)
    pairs = [("mixed", 20), ("masks", 20), ("boxes", 0), ("boxes", 0), ("masks", 100)]
    assert trained == [(*pair, "--seed", 0) for pair in pairs]
    mixed_labels.main(call)
    mixed_labels.main([*call, "--report"])
    assert len(trained) == 5
    records = runs.Results(tmp_path / "out" / "mixed.json").find("runs", iterations=600)
    assert [r["mask_ap"] for r in records] == [0.5] * 4
    assert all(torch.__version__.startswith(r["torch"]) and r["processor"] for r in records)
    assert (tmp_path / "out" / "mixed.md").is_file()
    assert (tmp_path / "out" / "mixed.png").is_file()
    # other settings are other runs
    mixed_labels.main([*call, "--iterations", "700", "--only", "boxes"])
    assert len(trained) == 6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shares", "101"], "--shares 101: expected percentages"),
        (["--iterations", "3"], "--iterations 3: expected 4 or more"),
        (["--weights", "none.pth"], "--weights none.pth: there is no such file"),
    ],
)
def test_what_cannot_run_is_refused_at_the_start(tmp_path, capsys, more, message):
    with pytest.raises(SystemExit):
        mixed_labels.main(words(tmp_path, tmp_path, *more))
    assert message in capsys.readouterr().err


@pytest.mark.long
def test_from_annotations_to_a_report(datasets, tmp_path):
    weights = tmp_path / "weights.pth"
    torch.save(timm.create_model("mobilenetv2_100").state_dict(), weights)
    options = ["train_dataloader.batch_size=2", "val_dataloader.dataset.indices=2"]
    options += ["train_dataloader.dataset.pipeline.3.scale=(128,128)"]
    more = ["--shares", 50, "--only", "mixed", "--iterations", 4, "--cfg-options", *options]
    mixed_labels.main(words(datasets / "nuclei", tmp_path, *more))
    (found,) = runs.Results(tmp_path / "out" / "mixed.json").find("runs", share=50, iterations=4)
    assert len(found["options"]) == 3
    assert 0 <= found["mask_ap"] <= 1
    assert found["cpu_minutes"] > 0
    assert "masks on 50% of the images" in (tmp_path / "out" / "mixed.md").read_text()
