"""Install the files that setuptools would not; pyproject.toml has the metadata."""

import shutil
from pathlib import Path

from setuptools import setup
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


setup(cmdclass={"build_py": BuildPy})
