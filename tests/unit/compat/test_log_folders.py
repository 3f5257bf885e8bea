"""Runners that start in one second do not share a log folder."""

import time
from pathlib import Path

import pytest
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Nothing(BaseModel):
    def forward(self, *args, **kwargs):
        pass


@pytest.fixture(autouse=True)
def only_these_loggers():
    made = MMLogger._instance_dict.copy()
    MMLogger._instance_dict.clear()
    yield
    MMLogger._instance_dict.clear()
    MMLogger._instance_dict.update(made)


def start(work_dir: Path) -> Runner:
    return Runner(Nothing(), str(work_dir), experiment_name="x")


def test_a_second_runner_of_this_process_has_its_own_log(tmp_path):
    first, second = start(tmp_path / "a"), start(tmp_path / "b")
    assert first.timestamp != second.timestamp
    second.logger.info("of the second")
    (log,) = (tmp_path / "b").glob("*/*.log")
    assert "of the second" in log.read_text()
    assert Path(second.log_dir) == log.parent


def test_a_folder_of_another_process_is_not_shared(tmp_path):
    now = int(time.time())
    taken = [time.strftime("%Y%m%d_%H%M%S", time.localtime(now + i)) for i in range(2)]
    for name in taken:
        (tmp_path / name).mkdir()
    runner = start(tmp_path)
    assert runner.timestamp not in taken
    assert Path(runner.log_dir).is_dir()
