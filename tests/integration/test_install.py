"""What pip installs, and that it takes it away again."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

STARTUP = (
    "import sys; print(sys.meta_path[-1].module, 'condinst' in sys.modules, 'torch' in sys.modules)"
)

NO_FINDER = "import sys; assert 'StandInFinder' not in str(sys.meta_path)"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Return what a command printed on both streams."""
    out = subprocess.PIPE
    done = subprocess.run(command, cwd=cwd, stdout=out, stderr=out, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(repo, tmp_path_factory) -> Path:
    """A copy of what git knows, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("source")
    files = run("git", "ls-files", cwd=repo).splitlines()
    for name in files:
        if (repo / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repo / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def archives(source, tmp_path_factory) -> dict[str, Path]:
    """The source archive, and the wheel built from the source archive alone."""
    folder = tmp_path_factory.mktemp("archives")
    build = "from setuptools import build_meta as b; import sys; b.build_{}(sys.argv[1])"
    run(sys.executable, "-c", build.format("sdist"), folder, cwd=source)
    sdist = next(folder.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    unpacked = next((folder / "unpacked").iterdir())
    run(sys.executable, "-c", build.format("wheel"), folder, cwd=unpacked)
    return {"sdist": sdist, "wheel": next(folder.glob("*.whl"))}


def test_the_wheel_holds_the_package_its_startup_file_configs_and_tools(source, archives):
    names = set(zipfile.ZipFile(archives["wheel"]).namelist())
    expected = {p.relative_to(source).as_posix() for p in (source / "condinst").rglob("*.py")}
    packaged = {p.relative_to(source).as_posix() for p in (source / "condinst").rglob("*.pth")}
    assert "condinst/model_zoo/packaged/shapes.pth" in packaged
    expected |= packaged
    for folder in ("configs", "tools"):
        for path in (source / folder).rglob("*.*"):
            expected.add(f"condinst/.mim/{path.relative_to(source).as_posix()}")
    expected |= {"condinst.pth", "_condinst_startup.py", "condinst/py.typed"}
    # these two need benchmarks/, which stays in the checkout
    checkout_only = {f"condinst/.mim/tools/{n}.py" for n in ("benchmark", "compare_training")}
    assert expected - names == checkout_only
    assert not [n for n in names if n.startswith(("tests/", "build/")) or n.endswith(".pyc")]
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_wheel_requires_no_mmcv_of_either_kind(archives):
    wheel = zipfile.ZipFile(archives["wheel"])
    metadata = next(n for n in wheel.namelist() if n.endswith("/METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    required = [ln for ln in lines if ln.startswith("Requires-Dist:") and "extra ==" not in ln]
    assert any("mmdet" in line for line in required)
    assert not [line for line in required if "mmcv" in line]
    assert "Requires-Python: >=3.10" in lines


def test_the_source_archive_holds_what_a_checkout_needs(archives):
    with tarfile.open(archives["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = [
        "condinst.pth",
        "_condinst_startup.py",
        "LICENSE",
        "Makefile",
        "requirements.txt",
        "tests/conftest.py",
    ]
    assert set(needed) - names == set()


@pytest.fixture
def venv(tmp_path) -> Path:
    """The Python of an environment that sees this one's packages, but has no condinst."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    return tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.mark.parametrize("editable", [True, False])
def test_installing_brings_the_startup_file_and_uninstalling_takes_it(
    source, archives, venv, editable
):
    def pip(*arguments: str | Path) -> None:
        run(sys.executable, "-m", "pip", "--python", venv, "--quiet", *arguments)

    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = Path(run(venv, "-c", code).strip())
    (site_packages / "mine.txt").touch()
    package = (source if editable else site_packages) / "condinst"
    if editable:
        # No network: setuptools comes from this environment.
        parents = [p for p in sys.path if p.endswith("site-packages")]
        (site_packages / "parents.pth").write_text("\n".join(parents))
        pip("install", "--no-deps", "--no-build-isolation", "--editable", source)
        (site_packages / "parents.pth").unlink()
    else:
        pip("install", "--no-deps", archives["wheel"])
    assert (site_packages / "condinst.pth").is_file()
    assert run(venv, "-I", "-c", STARTUP).split() == ["mmcv._ext", "False", "False"]

    for missing in (package, site_packages / "_condinst_startup.py"):
        aside = missing.rename(missing.with_name("aside"))
        assert run(venv, "-I", "-c", NO_FINDER) == ""
        aside.rename(missing)

    pip("uninstall", "--yes", "condinst")
    left = {p.name for p in site_packages.iterdir()} - {"__pycache__"}
    assert left == {"mine.txt"}
    assert run(venv, "-I", "-c", NO_FINDER) == ""
