"""LVIS's evaluation finds np.float, and numpy stays as it is."""

import importlib
import sys

import numpy as np

from condinst.compat import lvis_numpy


def test_the_removed_name_is_there_for_lvis_alone(tmp_path, monkeypatch):
    text = "import numpy as np\n\n\ndef total(x):\n    return np.cumsum(x).astype(dtype=np.float)\n"
    (tmp_path / "evaluation_of_lvis.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("evaluation_of_lvis")
    monkeypatch.setitem(sys.modules, "evaluation_of_lvis", module)
    lvis_numpy.apply("evaluation_of_lvis")
    found = module.total([True, True])
    assert found.tolist() == [1.0, 2.0]
    assert found.dtype == np.float64
    assert not hasattr(np, "float")
