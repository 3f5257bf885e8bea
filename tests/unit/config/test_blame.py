"""What fails for the config is told in one line that names the place; nothing else is hidden."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from condinst.config.blame import blaming
from condinst.config.problem import ConfigError
from condinst.registry import MODELS, TRANSFORMS


def build(registry, node):
    with DefaultScope.overwrite_default_scope("condinst"):
        return registry.build(node)


def message(cfg, work, *stage) -> str:
    with pytest.raises(ConfigError) as raised, blaming(cfg, *stage):
        work()
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_class_that_cannot_be_built_is_named_by_its_key():
    cfg = Config(dict(model=dict(neck=dict(type="FPN", in_channels=3, out_channels=4, num_outs=5))))
    text = message(cfg, lambda: build(MODELS, cfg.model.neck))
    assert text.startswith("building from the config fails in model.neck (type='FPN'): ")


def test_the_first_of_two_equal_types_is_told_apart_by_its_arguments():
    steps = [dict(type="Resize", scale=(9, 9)), dict(type="Resize", scale=(1, 1), nobody=3)]
    cfg = Config(dict(train_dataloader=dict(dataset=dict(pipeline=steps))))
    node = cfg.train_dataloader.dataset.pipeline[1]
    text = message(cfg, lambda: build(TRANSFORMS, node))
    assert "train_dataloader.dataset.pipeline[1] (type='Resize')" in text


def test_a_step_of_a_pipeline_is_named():
    from mmengine.dataset import Compose

    def fine(results):
        return results

    def fails(results):
        return results["nobody"]

    text = message(Config(), lambda: Compose([fine, fails])({"a": 1}), "the first image")
    assert text == "the first image fails in step 1 of the pipeline, function: KeyError: nobody"


def test_a_layer_is_named_by_its_place_in_the_model():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(5, 4, 1))
    text = message(Config(), lambda: model(torch.zeros(1, 3, 4, 4)))
    assert "fails in model.1: RuntimeError: Given groups=1" in text


def test_a_value_that_the_copy_of_a_config_cannot_hold_is_named():
    cfg = Config(dict(a=1, pipeline=[dict(type="A"), dict(function=len), dict(file=object())]))
    text = message(cfg, lambda: cfg.pretty_text)
    assert text.startswith("pipeline[1].function=<built-in function len>: expected a value that")


def test_our_own_words_stay_as_they_are():
    def refuse():
        raise ConfigError("a=3: expected 4")

    assert message(Config(), refuse) == "a=3: expected 4"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes(error):
    with pytest.raises(error), blaming(Config()):
        raise error


class Runner:
    """What the loops know of it."""

    def __init__(self, iteration: int) -> None:
        from mmengine.logging import MessageHub

        self.iter = iteration
        self.message_hub = MessageHub("blame")


class IterBasedTrainLoop:
    def __init__(self, runner) -> None:
        self.runner = runner

    def run(self) -> None:
        raise TypeError("mine")


@pytest.mark.parametrize("iteration", [0, 1, 5000])
def test_only_the_first_batch_of_a_training_is_the_configs(iteration):
    loop = IterBasedTrainLoop(Runner(iteration))
    if iteration == 0:
        text = message(Config(), loop.run)
        assert text == "the first batch of training fails: TypeError: mine"
    else:
        with pytest.raises(TypeError, match="mine"), blaming(Config()):
            loop.run()
