"""The switches change the time, not the answers."""

import copy
import warnings

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseTTAModel
from small_model import BOX, build, losses_of, sample, small_model
from torch import nn

from condinst.models.optimize import optimize_for_inference
from condinst.models.speed import fold_batch_norms


def trained_like():
    """Random running averages, as training leaves them, and plenty of detections."""
    model = build(small_model()).eval()
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    model.bbox_head.conv_cls.bias.data.fill_(0)
    return model


def predict(model, size=(96, 128)):
    batch = {key: [value] for key, value in sample([], size).items()}
    return model.test_step(batch)[0].pred_instances


def assert_same_answers(found, expected):
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.bboxes, expected.bboxes, rtol=0, atol=1e-2)
    assert torch.equal(found.labels, expected.labels)
    assert (found.masks == expected.masks).float().mean() > 0.999


def test_folded_channels_last_model_gives_the_same_answers():
    model = trained_like()
    expected = predict(model)
    optimized = optimize_for_inference(model)
    assert optimized is model
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for name, weight in model.named_parameters():
        if weight.dim() == 4:
            assert weight.is_contiguous(memory_format=torch.channels_last), name
    assert_same_answers(predict(model), expected)


def test_all_batch_norms_of_the_published_model_are_folded(repo):
    """ResNet-50 has 53 (one after each convolution), the mask branch 3 + 4."""
    from mmengine.config import Config

    cfg = Config.fromfile(repo / "configs/condinst_r50_fpn_ms-poly-90k_coco_instance.py")
    cfg.model.backbone.init_cfg = None
    model = build(cfg.model)
    assert fold_batch_norms(model.eval()) == 53 + 7


def test_mixed_precision_runs_the_network_in_it_and_scores_in_float32():
    model = trained_like()
    expected = predict(model)
    optimize_for_inference(model, dtype="bfloat16", channels_last=False, fold_norms=False)
    seen = []
    model.bbox_head.register_forward_hook(lambda module, args, out: seen.append(out))
    found = predict(model)
    assert seen[0].cls_scores[0].dtype == torch.bfloat16
    assert found.scores.dtype == torch.float32
    torch.testing.assert_close(found.scores[:5], expected.scores[:5], atol=0.02, rtol=0)


def test_wrappers_are_opened_and_the_config_is_not_changed():
    class Wrapper(BaseTTAModel):
        def merge_preds(self, data_samples_list):
            raise NotImplementedError

    model = trained_like()
    test_cfg = model.test_cfg
    inner = optimize_for_inference(Wrapper(module=model), mask_format="rle")
    assert inner is model
    assert "mask_format" not in test_cfg
    assert isinstance(predict(model).masks, list)


def test_other_models_and_types_are_refused():
    with pytest.raises(ValueError, match="expected a condinst.CondInst.*got Linear"):
        optimize_for_inference(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="dtype='int8'.*float16, bfloat16"):
        optimize_for_inference(trained_like(), dtype="int8")
    model = trained_like()
    model.test_cfg["autocast_dtype"] = "half"
    with pytest.raises(ValueError, match="test_cfg.autocast_dtype='half'.*float16, bfloat16"):
        predict(model)


class NormalizesFirst(nn.Module):
    """Its children stand in another order than they are used in."""

    def __init__(self, backbone):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(0.5)
        self.backbone = backbone

    def forward(self, x):
        return self.backbone(self.conv(self.norm(x)))


def test_a_backbone_that_normalizes_first_is_not_folded():
    model = trained_like()
    model.backbone = NormalizesFirst(model.backbone)
    with pytest.raises(ValueError, match="cannot be folded"):
        optimize_for_inference(model)


def test_subclasses_that_hold_an_activation_are_left_alone():
    """As timm's BatchNormAct2d does."""

    class NormAndRelu(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x).relu()

    block = nn.Sequential(nn.Conv2d(3, 3, 1), NormAndRelu(3)).eval()
    assert fold_batch_norms(block) == 0
    plain = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    assert fold_batch_norms(plain) == 1


def test_channels_last_trains_the_same():
    samples = [sample([BOX, [70.0, 5, 120, 90]], (96, 128)), sample([BOX], (96, 100))]
    results = []
    for channels_last in (False, True):
        model = build(ConfigDict(small_model(), channels_last=channels_last))
        losses = losses_of(model, copy.deepcopy(samples))
        sum(losses.values()).backward()
        results.append((losses, {n: p.grad for n, p in model.named_parameters()}))
    assert results[1][1]["bbox_head.controller.weight"].is_contiguous(
        memory_format=torch.channels_last
    )
    for name, value in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], value, rtol=1e-4, atol=1e-6)
    for name, grad in results[0][1].items():
        # a ReLU flips where a hidden value is no further from zero than the roundings
        assert (results[1][1][name] - grad).norm() <= 1e-2 * grad.norm() + 1e-7, name


@pytest.mark.long
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_networks_predict_and_train_the_same_at_every_size(monkeypatch, backend):
    """A compilation serves many sizes. "eager" captures the graphs, but makes no machine code."""
    compile_module = nn.Module.compile
    monkeypatch.setattr(
        nn.Module, "compile", lambda self, **kwargs: compile_module(self, backend=backend, **kwargs)
    )
    model = trained_like()
    compiled = build(ConfigDict(small_model(), compile=True)).eval()
    compiled.load_state_dict(model.state_dict(), strict=True)
    torch._dynamo.reset()
    graphs = torch._dynamo.utils.counters["stats"]
    graphs.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same_answers(predict(compiled, (288, 416)), predict(model, (288, 416)))
        count = graphs["unique_graphs"]
        assert count >= 4
        for size in [(416, 288), (544, 672), (288, 800), (672, 544)]:
            assert_same_answers(predict(compiled, size), predict(model, size))
        # once more at most: for tiny maps torch's CPU convolution is another one
        assert graphs["unique_graphs"] <= 2 * count
        samples = [sample([BOX], (96, 128))]
        losses = losses_of(compiled.train(), copy.deepcopy(samples))
        expected = losses_of(model.train(), samples)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-4, atol=1e-6)
