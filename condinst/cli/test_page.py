"""The page of ``condinst test --report``, and the file of predictions beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from condinst.utils.files import check_html

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.logging import MMLogger
    from mmengine.runner import Runner

__all__ = ["check_page", "keep_predictions", "predictions_of", "write_page"]


def check_page(page: Path) -> None:
    """Check that a page can be written, and that the predictions beside it replace none of others.

    Raises:
        ValueError: the page is no .html file, its folder cannot be written to, or a file of that
            name is there without a page.
    """
    check_html("--report", page)
    beside = predictions_of(page)
    if beside.exists() and not page.exists():
        raise ValueError(
            f"--report {page}: {beside.name} lies there without that page, so it is not from "
            "condinst test --report, and would be replaced; choose another name"
        )


def predictions_of(page: Path) -> Path:
    """Return the file of predictions that belongs to a page."""
    return page.with_name(f"{page.stem}_predictions.json")


def keep_predictions(runner: Runner, page: Path) -> Path:
    """Make the test write its predictions to the file beside the page; return the file.

    Raises:
        ValueError: no metric of the test writes them.
    """
    from condinst.evaluation import CocoMetric

    path = predictions_of(page)
    metrics = [m for m in runner.test_evaluator.metrics if isinstance(m, CocoMetric)]
    if not metrics:
        raise ValueError(
            f"--report {page} needs condinst.CocoMetric: --cfg-options "
            "test_evaluator.type=condinst.CocoMetric"
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a file of an earlier test must not be used
    metrics[0].predictions_file = path
    return path


def write_page(cfg: Config, page: Path, predictions: Path, logger: MMLogger) -> None:
    """Write the page of a test from its predictions, and log where it is."""
    from condinst.cli.terminal import tell
    from condinst.report.report_page import write_test_report

    path, missing = write_test_report(
        cfg, page, predictions=predictions, checkpoint=str(cfg.load_from)
    )
    for part in missing:
        tell(logger, f"not in it: {part}")
    tell(logger, f"{'report':11} {path}")
