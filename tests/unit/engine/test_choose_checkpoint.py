"""Which checkpoint a config goes on from."""

import pytest
import torch
from mmengine.config import Config

from condinst.engine.choose_checkpoint import checkpoint_folder, set_resume


def save(folder, name, iteration):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {}, "meta": {"iter": iteration, "seed": iteration}}, folder / name)
    return str(folder / name)


@pytest.fixture
def config(tmp_path):
    return Config(dict(work_dir=str(tmp_path / "run"), load_from=None, resume=False))


def test_without_the_switch_nothing_changes(tmp_path, config):
    save(tmp_path / "run", "iter_4.pth", 4)
    set_resume(config, None)
    assert (config.resume, config.load_from) == (False, None)


def test_the_config_can_ask_for_it_too(tmp_path, config):
    """With the same search, and the seed of the run."""
    newest = save(tmp_path / "run", "iter_4.pth", 4)
    config.resume = True
    set_resume(config, None)
    assert (config.load_from, config.randomness.seed) == (newest, 4)
    named = save(tmp_path, "iter_2.pth", 2)
    config = Config(dict(work_dir=str(tmp_path / "run"), load_from=named, resume=True))
    set_resume(config, None)
    assert (config.load_from, config.randomness.seed) == (named, 2)


def test_a_seed_of_the_config_stays(tmp_path, config):
    save(tmp_path / "run", "iter_4.pth", 4)
    config.randomness = dict(seed=9, deterministic=True)
    set_resume(config, "auto")
    assert config.randomness == dict(seed=9, deterministic=True)


def test_a_name_wins_over_the_folder(tmp_path, config):
    save(tmp_path / "run", "iter_4.pth", 4)
    named = save(tmp_path, "iter_2.pth", 2)
    set_resume(config, named)
    assert (config.resume, config.load_from) == (True, named)


def test_checkpoints_that_lie_elsewhere_under_names_of_their_own(tmp_path, config):
    hook = dict(out_dir=str(tmp_path / "kept"), filename_tmpl="state{:03}.pt")
    config.default_hooks = dict(checkpoint=hook)
    assert checkpoint_folder(config) == tmp_path / "kept" / "run"
    newest = save(tmp_path / "kept" / "run", "state012.pt", 12)
    save(tmp_path / "kept" / "run", "state009.pt", 9)
    set_resume(config, "auto")
    assert config.load_from == newest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "--resume '': expected a checkpoint file"),
        (".", r"--resume \.: a folder, expected a checkpoint file"),
        ("weights.pth", r"--resume weights.pth: .* no state of a training.*load_from=weights.pth"),
    ],
)
def test_names_that_are_no_checkpoint_of_a_run(tmp_path, config, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(1)}, "weights.pth")
    with pytest.raises(ValueError, match=message):
        set_resume(config, name)


def test_only_broken_ones_are_no_new_start(tmp_path, config):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "iter_8.pth").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"run: none of its checkpoints is whole \(iter_8.pth\)"):
        set_resume(config, "auto")


@pytest.mark.parametrize("seed", [2**32, -1])
def test_an_impossible_seed_is_named_with_its_file_unless_the_config_has_one(
    tmp_path, config, seed
):
    path = tmp_path / "iter_4.pth"
    torch.save({"state_dict": {}, "meta": {"iter": 4, "seed": seed}}, path)
    with pytest.raises(
        ValueError, match=rf"iter_4\.pth: the seed of its run is {seed!r}, expected .*"
    ):
        set_resume(config, str(path))
    config.randomness = dict(seed=9)
    set_resume(config, str(path))
    assert config.randomness.seed == 9
