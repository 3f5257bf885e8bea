"""Settings of the command line that replace those of a config."""

import pytest
from mmengine.config import Config

from condinst.config.overrides import override


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("train_cfg.max_iters", "train_cfg is None in the config, and has no 'max_iters' to set"),
        ("steps.1.x.y", "steps.1.x is 3 in the config, and has no 'y' to set"),
        ("seed.value", "seed is 'none' in the config, and has no 'value' to set"),
    ],
)
def test_an_option_below_a_plain_value_is_refused_in_short(option, message):
    cfg = Config(dict(train_cfg=None, steps=[dict(x=1), dict(x=3)], seed="none"))
    with pytest.raises(ValueError, match=rf"^--cfg-options {option}=4: {message}$"):
        override(cfg, {option: 4}, parts=())
