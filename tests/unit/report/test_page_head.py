from __future__ import annotations

import pytest

from condinst.report.page_head import _iterations
from condinst.report.run import read_run, write_info


@pytest.mark.parametrize(
    ("info", "shown"),
    [
        ({}, "40 of 60 logged"),  # the config's
        ({"max_iters": 40}, "40"),  # planned for a time
        ({"max_iters": 55}, "40 of 55 logged"),
        ({"max_iters": "x"}, "40 of 60 logged"),
    ],
)
def test_the_iterations_are_those_that_were_planned(work_dir, info, shown):
    write_info(str(work_dir), info)
    cfg = dict(train_cfg=dict(max_iters=60))
    assert _iterations(read_run(str(work_dir)), cfg) == shown
