"""The index, the configs and the table of docs/model_zoo.md say the same."""

import re

import pytest
from mmengine.config import Config

import condinst
from condinst import model_zoo
from condinst.compat import base_configs

# The numbers of the original's own tables (configs/CondInst/README.md, configs/BoxInst/README.md of
# AdelaiDet) and of mmdet's READMEs: box AP, mask AP on val2017, mask AP on test-dev.
PUBLISHED = {
    "condinst_r50_fpn_1x": (39.7, 35.7, None),
    "condinst_r50_fpn_3x": (41.9, 37.5, None),
    "condinst_r101_fpn_3x": (43.3, 38.6, None),
    "condinst_r50_fpn_3x_sem": (42.6, 38.2, 38.7),
    "condinst_r101_fpn_3x_sem": (44.6, 39.8, 40.1),
    "condinst_r50_bifpn_1x": (42.5, 37.3, None),
    "condinst_r50_bifpn_3x": (44.3, 38.9, None),
    "condinst_r50_bifpn_3x_sem": (44.7, 39.4, None),
    "condinst_r101_bifpn_3x": (45.3, 39.6, None),
    "condinst_r101_bifpn_3x_sem": (45.7, 40.2, None),
    "condinst_r50_fpn_90k": (39.8, 36.0, None),
    "boxinst_r50_fpn_1x": (39.4, 30.7, None),
    "boxinst_r50_fpn_3x": (41.5, 31.8, 32.1),
    "boxinst_r101_fpn_1x": (41.4, 32.2, 32.5),
    "boxinst_r101_fpn_3x": (43.3, 33.0, 33.2),
    "boxinst_r101_bifpn_3x": (45.4, 34.1, 33.9),
    "boxinst_r101_dcni3_bifpn_3x": (46.4, 34.8, 35.0),
    "boxinst_r50_fpn_90k": (39.6, 31.1, None),
    "boxinst_r101_fpn_90k": (41.8, 32.7, None),
    "rtmdet-ins_tiny": (40.5, 35.4, None),
    "rtmdet-ins_s": (44.0, 38.7, None),
    "rtmdet-ins_m": (48.8, 42.1, None),
    "rtmdet-ins_l": (51.2, 43.7, None),
    "rtmdet-ins_x": (52.4, 44.6, None),
}


def models():
    return [model_zoo.get(name) for name in condinst.list_models()]


def test_names_by_pattern():
    assert set(PUBLISHED) <= set(condinst.list_models())
    assert condinst.list_models("*_bifpn_3x_sem") == [
        "condinst_r50_bifpn_3x_sem",
        "condinst_r101_bifpn_3x_sem",
    ]
    assert condinst.list_models("nothing") == []


def test_published_numbers():
    found = {m.name: (m.box_ap, m.mask_ap, m.mask_ap_test_dev) for m in models() if m.weights}
    assert found == PUBLISHED


def test_an_unknown_name_is_told_close_ones():
    with pytest.raises(ValueError, match=r"condinst_r50_fpn_2x: .*condinst_r50_fpn_1x"):
        model_zoo.get("condinst_r50_fpn_2x")
    with pytest.raises(ValueError, match=r"xyz: .*; condinst list prints all names$"):
        model_zoo.get("xyz")


def test_every_config_is_in_the_index_once(repo):
    configs = sorted((repo / "configs").glob("*/*.py"))
    # the base of `condinst new` is no model of its own
    configs = [path for path in configs if path.parent.name not in ("_base_", "small")]
    assert configs == sorted(model.config for model in models())
    folders = [path for path in (repo / "configs").iterdir() if path.is_dir()]
    assert all((f / "README.md").is_file() for f in folders if f.name != "_base_")
    listed = (repo / "model-index.yml").read_text(encoding="utf-8")
    for metafile in (repo / "configs").glob("*/metafile.yml"):
        assert metafile.relative_to(repo).as_posix() in listed


COCO = [m.name for m in models() if m.collection in ("CondInst", "BoxInst")]


@pytest.mark.parametrize("name", COCO)
def test_the_config_is_what_the_name_says(name):
    model = model_zoo.get(name)
    cfg = Config.fromfile(model.config)
    assert cfg.train_cfg.max_iters == model.iterations
    assert cfg.model.type == model.collection
    backbone = name.split("_")[1]
    if re.fullmatch(r"r\d+", backbone):
        assert cfg.model.backbone.depth == int(backbone[1:])
    assert ("bifpn" in name) == (cfg.model.neck.type == "BiFPN")
    assert ("dcni3" in name) == (cfg.model.backbone.get("dcn_interval") == 3)
    assert name.endswith("_sem") == (cfg.model.get("semantic_head") is not None)
    # the original's weights are tested by the original's conventions
    assert (model.layout == "original") <= (cfg.model.test_cfg.get("sqrt_scores") is True)
    assert (model.layout == "mmdet") <= (not cfg.model.test_cfg.get("sqrt_scores"))


def test_weights_come_with_license_source_and_a_name_of_their_own():
    published = [model for model in models() if model.weights]
    for model in published:
        assert model.layout in ("original", "mmdet")
        assert model.license
        assert model.repository.startswith("https://github.com/")
        assert model.source_config
        assert model.weights_file == model.weights.rpartition("/")[2]
        if model.layout == "mmdet":  # OpenMMLab's file names end in the checksum's first digits
            assert model.weights.endswith(f"-{model.sha256}.pth")
            path = model.weights.removeprefix("https://download.openmmlab.com/")
            assert model.mirrors == (f"https://mmassets.onedl.ai/{path}",)
        else:
            assert not model.mirrors
            assert model.sha256 is None
            assert "no checksum is published" in model.note
        assert model.note.startswith("not fetched by us")
    assert len({model.weights for model in published}) == len(published)
    assert len({model.weights_file for model in published}) == len(published)


def test_the_links_of_the_original_models():
    """As in AdelaiDet's README files since 2023-12: two repositories, and one odd name."""
    original = [model for model in models() if model.layout == "original"]
    assert len(original) == 16
    for model in original:
        kind = {"CondInst": "CondInst", "BoxInst": "BoxInst"}[model.collection]
        stem = f"{kind}_{model.source_config.rpartition('/')[2].removesuffix('.yaml')}"
        if stem == "CondInst_MS_R_101_BiFPN_3x_sem":
            stem = "CondInst_R_101_BiFPN_3x_sem"
        folder = f"https://huggingface.co/tianzhi/AdelaiDet-{kind}/resolve/main"
        assert model.weights == f"{folder}/{stem}.pth"


def rows(repo):
    """The rows of the tables of models in the page: column by its title."""
    titles = None
    for line in (repo / "docs/model_zoo.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            titles = None
        elif titles is None:
            titles = cells
        elif titles[0] == "model" and not set(line) <= set("|-: "):
            yield dict(zip(titles, cells, strict=True))


def cell(number):
    return "-" if number is None else f"{number:.1f}"


def test_the_table_is_the_index(repo):
    table = {row["model"].strip("`"): row for row in rows(repo)}
    assert list(table) == condinst.list_models()
    for name, row in table.items():
        model = model_zoo.get(name)
        link = re.fullmatch(r"\[config\]\((.+)\)", row["config"])[1]
        assert (repo / "docs" / link).resolve() == model.config
        assert row["box AP"] == cell(model.box_ap)
        assert row["mask AP"] == cell(model.mask_ap)
        if name not in COCO and model.collection != "RTMDet-Ins":
            assert row["weights"] == ("in this package" if model.packaged else "none")
            assert row["data"] == (model.dataset if model.box_ap else model.training_data)
            continue
        assert row["mask AP, test-dev"] == cell(model.mask_ap_test_dev)
        measured = (model.measured_box_ap, model.measured_mask_ap)
        expected = "not yet" if None in measured else " / ".join(map(cell, measured))
        assert row["ours, box / mask"] == expected
        license = {None: "-", "mmdet": "Apache-2.0", "original": "non-commercial"}[model.layout]
        assert row["weights' license"] == license
        assert row["verified by"]


def test_licenses_in_short_are_those_of_the_index():
    for model in models():
        if model.layout == "original":
            assert "non-commercial" in model.license
        if model.layout == "mmdet":
            assert model.license == "Apache-2.0"


def test_a_package_without_its_index_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(base_configs, "__file__", str(tmp_path / "condinst/compat/base_configs.py"))
    with pytest.raises(FileNotFoundError, match=r"model-index.yml: .*install condinst again"):
        base_configs.find_root()


def test_an_installed_package_has_its_index_in_the_folder_mim(monkeypatch, tmp_path):
    monkeypatch.setattr(base_configs, "__file__", str(tmp_path / "condinst/compat/base_configs.py"))
    mim = tmp_path / "condinst" / ".mim"
    mim.mkdir(parents=True)
    (mim / "model-index.yml").touch()
    assert base_configs.find_root() == mim
