"""The message on a config after some of its settings were changed."""

import pytest
from mmengine.config import Config

from condinst.config.check import check_config
from condinst.config.problem import ConfigError


def message(base: dict, *options: tuple[str, object], drop: str | None = None) -> str:
    cfg = Config(base)
    for key, value in options:
        set_at(cfg, key, value)
    if drop:
        *path, last = drop.split(".")
        at(cfg, path).pop(last)
    with pytest.raises(ConfigError) as raised:
        check_config(cfg)
    text = str(raised.value)
    assert "\n" not in text
    return text


def at(node, path):
    for key in path:
        node = node[int(key) if isinstance(node, list) else key]
    return node


def set_at(cfg, key: str, value: object) -> None:
    *path, last = key.split(".")
    holder = at(cfg, path)
    holder[int(last) if isinstance(holder, list) else last] = value
