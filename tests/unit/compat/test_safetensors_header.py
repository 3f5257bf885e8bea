"""The header of safetensors, read without PyTorch."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from condinst.compat.safetensors_header import check_length, read_header


@pytest.fixture
def path(tmp_path):
    save_file({"a": torch.ones(3, 2)}, tmp_path / "a.safetensors", {"format": "pt"})
    return tmp_path / "a.safetensors"


def test_tensors_and_texts(path):
    header = read_header(path)
    assert header["__metadata__"] == {"format": "pt"}
    assert header["a"] == {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}
    check_length(path)


def test_a_file_that_was_cut(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    sizes = f"it has {len(content) - 1:,} bytes, its header says {len(content):,}"
    with pytest.raises(ValueError, match=f"^{sizes}$"):
        check_length(path)
    path.write_bytes(content[:20])
    with pytest.raises(ValueError, match="Unterminated|Expecting"):
        check_length(path)


def test_no_pytorch_is_imported(path):
    code = (
        "import sys, pathlib; from condinst.compat.checkpoint_file import check_ends; "
        "check_ends(pathlib.Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], timeout=60).returncode == 0
