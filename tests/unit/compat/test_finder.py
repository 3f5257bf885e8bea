"""The stand-ins are found where mmcv or mmengine lack a module, and nowhere else."""

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.utils import package_utils

from condinst import compat
from condinst.compat import finder

FOLDER = Path(finder.__file__).parent


def run(code: str, *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_the_stand_in_has_a_module_spec_where_no_compiled_one_is():
    spec = importlib.util.find_spec("mmcv._ext")
    assert spec is not None
    assert spec.name == "mmcv._ext"
    if importlib.util.find_spec("mmcv._ext").origin.endswith((".so", ".pyd")):
        pytest.skip("a compiled mmcv is installed")
    assert Path(spec.origin) == FOLDER / "mmcv_ext" / "__init__.py"


def test_a_compiled_mmcv_wins(tmp_path):
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_ext.py").write_text("compiled = True\n")
    code = (
        f"import runpy, sys; runpy.run_path({finder.__file__!r})['install']()\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mmcv import _ext; print(_ext.compiled, _ext.__file__)"
    )
    result = run(code, "-S", "-E")
    assert result.stdout.split() == ["True", str(package / "_ext.py")], result.stderr


def test_installing_again_replaces_the_finders():
    def ours() -> list[str]:
        return [f.module for f in sys.meta_path if type(f).__name__ == "StandInFinder"]

    before = ours()
    assert "mmcv._ext" in before
    finder.install()
    assert ours() == before
    assert sys.meta_path[-1].module == "mmcv._ext"


def test_applying_again_changes_nothing():
    from mmengine.dist import utils

    finders, start = list(sys.meta_path), utils._init_dist_pytorch
    compat.apply()
    assert sys.meta_path == finders
    assert utils._init_dist_pytorch is start


def test_mmengine_asks_the_standard_library_about_packages():
    if importlib.util.find_spec("pkg_resources") is None:
        code = "import mmengine.utils.package_utils as m; print(m.__file__)"
        startup = f"import runpy; runpy.run_path({finder.__file__!r})['install'](); "
        result = run(startup + code)
        assert Path(result.stdout.strip()) == FOLDER / "package_utils.py", result.stderr
    assert package_utils.is_installed.__module__ in (
        "condinst.compat.package_utils",
        "mmengine.utils.package_utils",
    )
    assert package_utils.is_installed("mmdet")


@pytest.mark.parametrize("needs_it", [True, False])
def test_a_later_mmengine_that_needs_no_stand_in_gets_none(tmp_path, needs_it):
    folder = tmp_path / "mmengine" / "utils"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    source = "import pkg_resources" if needs_it else "from importlib import metadata"
    (folder / "package_utils.py").write_text(source)
    code = (
        f"import runpy, sys; runpy.run_path({finder.__file__!r})['install']()\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import mmengine.utils.package_utils as m; print(m.__file__)"
    )
    result = run(code, "-S", "-E")
    expected = FOLDER if needs_it else folder
    assert Path(result.stdout.strip()) == expected / "package_utils.py", result.stderr


def test_a_compiled_mmcv_for_another_torch_is_named_with_the_way_out(monkeypatch):
    def fail(name: str) -> None:
        raise ImportError("_ext.so: undefined symbol: _ZN2at4_ops")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError, match=r"undefined symbol: _ZN2at4_ops\).*pip uninstall mmcv"):
        compat._require_operators()


def test_the_startup_line_installs_the_finder_and_imports_nothing_heavy(repo):
    line = (repo / "condinst.pth").read_text()
    code = (
        f"import sys; sys.path.insert(0, {str(repo)!r}); exec({line!r})\n"
        "print(sys.meta_path[-1].module)\n"
        "print([m for m in ('torch', 'numpy', 'mmcv', 'condinst') if m in sys.modules])"
    )
    result = run(code, "-S", "-E")
    assert result.stdout.splitlines() == ["mmcv._ext", "[]"], result.stderr
    assert len(line.splitlines()) == 1
    assert line.startswith("import ")  # anything else in a startup file is taken for a path


@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("content", [None, "", "namespace"])
def test_the_startup_line_is_silent_where_the_package_is_missing(repo, tmp_path, content, module):
    if content is not None:
        (tmp_path / "condinst").mkdir()
    if content == "":
        (tmp_path / "condinst" / "__init__.py").touch()
    if module:
        shutil.copy(repo / "_condinst_startup.py", tmp_path)
    line = (repo / "condinst.pth").read_text()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; n = len(sys.meta_path); exec({line!r})"
    result = run(f"{code}\nassert len(sys.meta_path) == n", "-S", "-E", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mmcv", "pip install mmcv-lite==2.1.0 (or a compiled mmcv that fits your PyTorch)"),
        ("mmdet", "pip install mmdet==3.3.0"),
        ("mmengine", "pip install mmengine==0.10.7"),
        ("pycocotools", "pip install pycocotools"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, name, remedy):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == name else find(n))
    with pytest.raises(ImportError) as error:
        compat.require_packages()
    assert str(error.value) == f"condinst needs {name}: {remedy}"


def test_all_missing_packages_are_named_at_once(monkeypatch):
    find, lost = importlib.util.find_spec, ("mmdet", "pycocotools")
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n in lost else find(n))
    with pytest.raises(ImportError) as error:
        compat.require_packages()
    assert str(error.value) == (
        "condinst needs mmdet: pip install mmdet==3.3.0; pycocotools: pip install pycocotools"
    )
