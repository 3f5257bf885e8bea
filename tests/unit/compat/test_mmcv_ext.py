"""The stand-in as a module: what it serves, and how it refuses the rest."""

import ast
from pathlib import Path

import mmcv._ext
import pytest
import torch
from mmcv import ops
from mmcv.utils import collect_env

SERVED = {
    "nms",
    "softnms",
    "roi_align_forward",
    "roi_align_backward",
    "deform_conv_forward",
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "modulated_deform_conv_forward",
    "modulated_deform_conv_backward",
    "sigmoid_focal_loss_forward",
    "sigmoid_focal_loss_backward",
    "get_compiler_version",
    "get_compiling_cuda_version",
}


def test_the_stand_in_is_what_these_tests_exercise() -> None:
    assert Path(mmcv._ext.__file__).parts[-2:] == ("mmcv_ext", "__init__.py")


def operators_that_mmcv_asks_for() -> set[str]:
    names = set()
    for path in Path(ops.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "load_ext":
                names.update(ast.literal_eval(node.args[1]))
    return names


def test_every_other_operator_says_its_name_and_the_way_out() -> None:
    others = operators_that_mmcv_asks_for() - SERVED
    assert len(others) > 90
    for name in others:
        with pytest.raises(NotImplementedError, match=f"'{name}'.*Install a compiled mmcv"):
            getattr(mmcv._ext, name)()


def test_served_operators_are_functions_of_the_module() -> None:
    assert operators_that_mmcv_asks_for() >= SERVED
    assert vars(mmcv._ext).keys() >= SERVED


def test_a_module_of_mmcv_without_its_operator_refuses_when_it_runs() -> None:
    pool = ops.RoIPool(output_size=2)
    with pytest.raises(NotImplementedError, match="roi_pool_forward"):
        pool(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))


@pytest.mark.parametrize("name", ["__wrapped__", "_private"])
def test_python_s_own_names_are_not_operators(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(mmcv._ext, name)


def test_environment_report_runs() -> None:
    report = collect_env()
    assert "stand-in" in report["MMCV Compiler"]
    assert report["MMCV CUDA Compiler"] == "not available"
