"""Write the page of a run, and read what it says."""

import json

from mmengine.config import Config

from condinst.report.report_page import write_report
from condinst.report.run import read_run


def make(work_dir, out=None, which="last", change=None):
    run = read_run(work_dir)
    cfg = Config.fromfile(run.config)
    if change:
        change(cfg)
    path, missing = write_report(run, cfg, out, which=which)
    return path.read_text(), json.loads(path.with_suffix(".json").read_text()), missing
