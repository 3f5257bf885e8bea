"""Configs with mistakes in them.

Every case has a number, from which all of it follows.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
SMALL = REPO / "tests" / "helpers" / "small_condinst.py"
_BOXINST = """
_base_ = {small!r}
model = dict(
    type="BoxInst",
    bbox_head=dict(type="BoxInstBboxHead"),
    mask_head=dict(type="BoxInstMaskHead", warmup_iters=5),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(96, 96), keep_ratio=True),
    dict(type="PrepareBoxTargets", stride=4, bottom_pixels_removed=0),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""
_SEMANTIC = """
_base_ = {small!r}
model = dict(
    semantic_head=dict(
        type="SemanticHead", in_channels=32, feat_channels=16, level=0, stride=8,
        norm_cfg=dict(type="GN", num_groups=8, requires_grad=True),
        loss_semantic=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25),
    )
)
"""
_TIMM = """
_base_ = {small!r}
model = dict(
    backbone=dict(
        _delete_=True, type="TimmBackbone", model_name="mobilenetv3_small_050.lamb_in1k",
        pretrained=False, norm_eval=True,
    ),
    neck=dict(in_channels=[8, 16, 24, 288], out_channels=32),
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
default_hooks = dict(visualization=dict(type="DetVisualizationHook", interval=10))
"""
BASES = {
    "condinst": "_base_ = {small!r}\n",
    "boxinst": _BOXINST,
    "semantic": _SEMANTIC,
    "timm": _TIMM,
}
_NEW_STYLE = """
from mmengine.config import read_base

with read_base():
    from .flat import *

from mmdet.models.backbones import ResNet

model.update(dict(backbone=dict(
    type=ResNet, depth=18, base_channels=16, num_stages=4, out_indices=(0, 1, 2, 3),
    norm_cfg=dict(type="BN", requires_grad=True), norm_eval=True, style="pytorch"{more},
)))
"""
ROOTS = (
    *("model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
    *("test_cfg", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
    *("default_hooks", "custom_hooks", "env_cfg", "visualizer", "log_processor", "auto_scale_lr"),
    *("default_scope", "vis_backends", "log_level", "load_from", "resume", "custom_imports"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, "x", "", [], {}, -1, 0, 1, 1e9, 10**9, -(10**9), float("nan")),
    *(float("inf"), [1, 2], [[]], ["x"], {"type": "x"}, {"a": 1}, "é", 0.5, 3.7, (1,), 2**70),
)


@dataclass(frozen=True)
class Case:
    """A config with a mistake, and a command that reads it."""

    number: int
    base: str
    kind: str
    what: str
    command: str
    files: dict[str, str | bytes | None]  # None: a folder; the first is the config
    options: tuple[str, ...] = ()


def as_text(settings: dict[str, Any]) -> str:
    """A config file of plain values."""
    lines = [f"{key} = {value!r}" for key, value in settings.items()]
    text = "\n".join(lines) + "\n"
    # a report reads plain values alone, and an import is none
    return f"from math import inf, nan\n{text}" if re.search(r"\b(inf|nan)\b", text) else text


def nodes(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of everything below a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from nodes(item, (*path, key))


def _get(root: Any, path: tuple) -> Any:
    for key in path:
        root = root[key]
    return root


def _edit(root: Any, path: tuple, change: Callable[[Any, Any], None]) -> None:
    """Change what holds the last key of a path; tuples on the way become lists."""
    for i, key in enumerate(path[:-1]):
        if isinstance(root[key], tuple):
            root[key] = list(root[key])
        root = root[key]
        del i
    change(root, path[-1])


def _typo(rng: random.Random, word: str) -> str:
    place = rng.randrange(max(len(word) - 1, 1))
    kind = rng.randrange(4)
    if kind == 0 and len(word) > 2:
        return word[:place] + word[place + 1 :]
    if kind == 1 and len(word) > 2:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == 2:
        return word[:place] + word[place] + word[place:]
    return word + rng.choice("sx_")


def _dotted(path: tuple) -> str:
    return ".".join(map(str, path))


def make_case(number: int, bases: dict[str, dict[str, Any]], command: str | None = None) -> Case:
    """The case of a number."""
    rng = random.Random(number)
    base = rng.choice(list(BASES))
    kinds = [_delete, _rename, _replace, _misspell, _swap, _drop_step, _huge, _file, _option]
    weights = [12, 14, 26, 10, 5, 6, 10, 12, 10]
    (kind,) = rng.choices(kinds, weights)
    commands = ["train", "test", "predict", "info", "doctor", "browse", "predictor", "report"]
    (chosen,) = rng.choices(commands, [64, 8, 6, 8, 6, 4, 2, 2])
    settings = copy.deepcopy(bases[base])
    what, files, options = kind(rng, settings)
    name = kind.__name__.strip("_")
    return Case(number, base, name, what, command or chosen, files, options)


_Made = tuple[str, dict[str, "str | bytes | None"], tuple[str, ...]]


def _written(what: str, settings: dict[str, Any]) -> _Made:
    return what, {"config.py": as_text(settings)}, ()


def _delete(rng: random.Random, settings: dict[str, Any]) -> _Made:
    path = rng.choice(list(nodes(settings)))
    _edit(settings, path, lambda holder, key: holder.__delitem__(key))
    return _written(f"without {_dotted(path)}", settings)


def _rename(rng: random.Random, settings: dict[str, Any]) -> _Made:
    path = rng.choice([p for p in nodes(settings) if isinstance(p[-1], str)])
    new = _typo(rng, path[-1])
    _edit(settings, path, lambda holder, key: holder.__setitem__(new, holder.pop(key)))
    return _written(f"{_dotted(path)} is called {new}", settings)


def _replace(rng: random.Random, settings: dict[str, Any]) -> _Made:
    path, value = rng.choice(list(nodes(settings))), copy.deepcopy(rng.choice(_VALUES))
    _edit(settings, path, lambda holder, key: holder.__setitem__(key, value))
    return _written(f"{_dotted(path)}={value!r}", settings)


def _misspell(rng: random.Random, settings: dict[str, Any]) -> _Made:
    path = rng.choice([p for p in nodes(settings) if p[-1] == "type"])
    new = _typo(rng, str(_get(settings, path)))
    _edit(settings, path, lambda holder, key: holder.__setitem__(key, new))
    return _written(f"{_dotted(path)}={new!r}", settings)


def _swap(rng: random.Random, settings: dict[str, Any]) -> _Made:
    names = ("dataloader", "cfg", "evaluator")
    first, second = rng.sample([f"{s}_{n}" for s in ("train", "val", "test") for n in names], 2)
    one, other = settings.get(first), settings.get(second)
    settings[first], settings[second] = other, one
    return _written(f"{first} and {second} swapped", settings)


def _drop_step(rng: random.Random, settings: dict[str, Any]) -> _Made:
    split = rng.choice(["train", "val"])
    steps = settings[f"{split}_dataloader"]["dataset"]["pipeline"]
    number = rng.randrange(len(steps))
    kind = rng.randrange(3)
    if kind == 0:
        what = f"{split} without step {number}, {steps.pop(number)['type']}"
    elif kind == 1:
        rng.shuffle(steps)
        what = f"{split} steps as {[step['type'] for step in steps]}"
    else:
        steps.insert(number, copy.deepcopy(rng.choice(steps)))
        what = f"{split} with step {number} twice"
    return _written(what, settings)


def _huge(rng: random.Random, settings: dict[str, Any]) -> _Made:
    numbers = [p for p in nodes(settings) if type(_get(settings, p)) in (int, float)]
    path = rng.choice(numbers)
    value = rng.choice([10**9, -5, "fast", 10**30, 0, -(10**9), 1e-300, "10", float("nan")])
    _edit(settings, path, lambda holder, key: holder.__setitem__(key, value))
    return _written(f"{_dotted(path)}={value!r}", settings)


def _file(rng: random.Random, settings: dict[str, Any]) -> _Made:
    text = as_text(settings)
    inherit = f"_base_ = {SMALL.as_posix()!r}\n"
    place = rng.randrange(len(text))
    shapes: list[tuple[str, dict[str, str | bytes | None]]] = [
        ("empty", {"config.py": ""}),
        ("a comment alone", {"config.py": "# nothing\n"}),
        ("a syntax error", {"config.py": text[:place] + "((" + text[place:]}),
        ("cut", {"config.py": text[:place]}),
        ("not UTF-8", {"config.py": b"a = '\xff\xfe'\n" + text.encode()}),
        ("zero bytes", {"config.py": b"\x00" * 100}),
        ("an image's bytes", {"config.py": bytes(rng.randrange(256) for _ in range(500))}),
        ("a folder", {"config.py": None}),
        ("an import that fails", {"config.py": "import nothing_of_this_name\n" + text}),
        ("custom_imports that fail", {"config.py": text.replace("['condinst']", "['nobody']")}),
        ("inherits from itself", {"config.py": "_base_ = './config.py'\n"}),
        ("a circle", {"config.py": "_base_ = './b.py'\n", "b.py": "_base_ = './config.py'\n"}),
        ("a missing base", {"config.py": "_base_ = './nobody.py'\n" + text}),
        ("a base that is a list of one missing", {"config.py": "_base_ = ['./a.py', 3]\n"}),
        ("a base that is a number", {"config.py": "_base_ = 3\n"}),
        ("an unknown project", {"config.py": "_base_ = 'nobody::a.py'\n"}),
        ("a base of ours that is not", {"config.py": "_base_ = 'condinst::nobody.py'\n"}),
        ("_delete_ that leaves nothing", {"config.py": inherit + "model = dict(_delete_=True)\n"}),
        (
            "_delete_ of the optimizer",
            {"config.py": inherit + "optim_wrapper = dict(_delete_=True, type='OptimWrapper')\n"},
        ),
        ("a dict over a list", {"config.py": inherit + "custom_hooks = dict(a=1)\n"}),
        ("a dict for a number", {"config.py": inherit + "train_cfg = dict(max_iters=dict(a=1))\n"}),
        ("a base's name", {"config.py": inherit + "model = _base_.nobody\n"}),
        ("ends the program", {"config.py": "import sys\nsys.exit(3)\n"}),
        ("raises", {"config.py": "raise RuntimeError('mine\\nown')\n"}),
        ("divides by zero", {"config.py": text + "a = 1 / 0\n"}),
        ("two bases that disagree", {"config.py": f"_base_ = [{SMALL.as_posix()!r}] * 2\n"}),
        ("JSON", {"config.json": json.dumps({"model": {"type": "CondInst"}})}),
        ("JSON of a list", {"config.json": "[1, 2]"}),
        ("broken JSON", {"config.json": "{"}),
        ("YAML of a number", {"config.yaml": "3"}),
        ("another ending", {"config.txt": text}),
        ("a checkpoint", {"config.pth": b"PK"}),
        (
            "new style",
            {"config.py": _NEW_STYLE.format(more=""), "flat.py": text, "__init__.py": ""},
        ),
        (
            "new style with a typo",
            {"config.py": _NEW_STYLE.format(more=", depht=3"), "flat.py": text},
        ),
        (
            "new style with a missing class",
            {"config.py": _NEW_STYLE.format(more="").replace("ResNet", "ResNot"), "flat.py": text},
        ),
        (
            "new style over a missing base",
            {"config.py": _NEW_STYLE.format(more="").replace(".flat", ".nobody")},
        ),
        ("a function as a value", {"config.py": text + "work_dir = print\n"}),
        ("a class as a value", {"config.py": text + "class A: pass\nlog_processor = A\n"}),
    ]
    what, files = rng.choice(shapes)
    return what, files, ()


def _option(rng: random.Random, settings: dict[str, Any]) -> _Made:
    known = [p for p in nodes(settings) if all("." not in str(k) for k in p)]
    path = list(rng.choice(known))
    words = ["fast", "True", "None", "[]", "[1,2]", "-1", "1e9", "nan", "{}", "(", "'", "1.5"]
    if rng.random() < 0.5:
        place = rng.randrange(len(path))
        path[place] = _typo(rng, str(path[place])) if isinstance(path[place], str) else 99
    option = f"{_dotted(tuple(path))}={rng.choice(words)}"
    text, _, _ = _written("", settings)[1]["config.py"], 0, 0
    return f"--cfg-options {option}", {"config.py": text}, (option,)
