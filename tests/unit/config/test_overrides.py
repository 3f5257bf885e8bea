"""Settings of the command line that replace those of a config."""

import re

import pytest
from mmengine.config import Config

from condinst.config.overrides import override


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("train_cfg.max_iters", "train_cfg is None in the config, and has no 'max_iters' to set"),
        ("param_scheduler.1.x.y", "param_scheduler.1.x is 3 in the config, and has no 'y' to set"),
        ("randomness.value", "randomness is 'none' in the config, and has no 'value' to set"),
    ],
)
def test_an_option_below_a_plain_value_is_refused_in_short(option, message):
    cfg = Config(dict(train_cfg=None, param_scheduler=[dict(x=1), dict(x=3)], randomness="none"))
    with pytest.raises(ValueError, match=rf"^--cfg-options {option}=4: {message}$"):
        override(cfg, {option: 4}, parts=())


NOTHING = "the config has no '{}', and nothing reads it"
VARIABLE = "'{}' is a variable of the config file, and nothing reads it afterwards"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("batch_size", f"{NOTHING}; set train_dataloader.batch_size"),
        ("lr", f"{NOTHING}; set optim_wrapper.optimizer.lr or param_scheduler.1.lr"),
        ("max_iters", f"{VARIABLE}; set train_cfg.max_iters"),
        ("train_pipeline", f"{VARIABLE}; set train_dataloader.dataset.pipeline"),
        ("train_pipeline.0.scale", f"{VARIABLE}; set train_dataloader.dataset.pipeline.0.scale"),
        ("trian_cfg.max_iters", f"{NOTHING}; did you mean 'train_cfg'?"),
        ("a_name_of_the_user", NOTHING),
        ("my_number", VARIABLE),
    ],
)
def test_an_option_that_nothing_reads_is_refused(option, message):
    pipeline = [dict(type="Resize", scale=(8, 8))]
    cfg = Config(
        dict(
            max_iters=3,
            my_number=4,
            train_pipeline=pipeline,
            train_cfg=dict(max_iters=3),
            train_dataloader=dict(batch_size=2, dataset=dict(pipeline=pipeline)),
            optim_wrapper=dict(optimizer=dict(lr=0.1)),
            param_scheduler=[dict(begin=0), dict(lr=2)],
        )
    )
    expected = message.format(option.split(".")[0])
    with pytest.raises(ValueError, match=rf"^--cfg-options {option}: {re.escape(expected)}$"):
        override(cfg, {option: 5}, parts=())


@pytest.mark.parametrize("option", ["load_from", "tta_pipeline", "test_pipeline", "sync_bn"])
def test_an_option_that_is_read_passes(option):
    cfg = Config(dict(model=dict(type="CondInst")))
    override(cfg, {option: "a"}, parts=())
    assert cfg[option] == "a"
