"""mmengine's questions about installed packages are answered without pkg_resources."""

from importlib import metadata
from pathlib import Path

import mmcv
import mmdet
import mmengine.hub
import pytest
from mmcv.utils.ext_loader import check_ops_exist
from mmengine.config import Config
from mmengine.utils import get_installed_path, is_installed
from mmengine.utils.dl_utils import mmcv_full_available

from condinst.compat import package_utils


def test_packages_are_found_by_module_and_by_distribution_name():
    assert get_installed_path("mmdet") == str(Path(mmdet.__file__).parent)
    assert get_installed_path("opencv-python") == str(Path(__import__("cv2").__file__).parent)
    assert is_installed("mmdet")
    assert is_installed("opencv-python")


def test_a_missing_package_is_no_package(tmp_path, monkeypatch):
    assert not is_installed("no-such-package")
    with pytest.raises(metadata.PackageNotFoundError, match="no-such-package"):
        get_installed_path("no-such-package")
    (tmp_path / "bare_namespace").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("bare_namespace")
    with pytest.raises(RuntimeError, match="bare_namespace"):
        get_installed_path("bare_namespace")


def test_install_package_leaves_an_installed_one_alone(monkeypatch):
    calls: list[list[str]] = []
    monkeypatch.setattr(package_utils, "call_command", calls.append)
    mmengine.utils.install_package("mmdet")
    assert calls == []
    mmengine.utils.install_package("no-such-package")
    assert [call[1:] for call in calls] == [["-m", "pip", "install", "no-such-package"]]


def test_a_config_inherits_from_mmdet_by_name(tmp_path):
    path = tmp_path / "config.py"
    path.write_text('_base_ = ["mmdet::_base_/default_runtime.py"]\n')
    shipped = Path(mmdet.__file__).parent / ".mim/configs/_base_/default_runtime.py"
    assert Config.fromfile(path).env_cfg == Config.fromfile(shipped).env_cfg


def test_the_hub_reads_a_published_config():
    config = mmengine.hub.get_config(
        "mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py", pretrained=True
    )
    assert config.model.type == "CondInst"
    assert config.model_path.endswith(".pth")


def test_mmengine_and_mmcv_see_the_operators():
    assert mmcv_full_available()
    assert check_ops_exist()
    assert mmcv.ops is not None
