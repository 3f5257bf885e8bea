"""Write the page of a run: one HTML file, its CSV files and report.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from condinst.report import label_matches, page_errors, page_head, page_sections, page_start
from condinst.report.analysis import Analysis, ImageScore, analyze, as_dict
from condinst.report.evaluated_split import EvaluatedSplit, read_split
from condinst.report.example_images import choose_images, draw_images
from condinst.report.run import Run
from condinst.utils.files import read_regular, write_whole
from condinst.utils.html_page import HtmlPage
from condinst.utils.words import counted, without_error_numbers

__all__ = ["write_report", "write_test_report"]

_SIDE, _PIXELS = 640, 800  # of an image with its ground truth, and of each of the two


def write_report(
    run: Run,
    cfg: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    which: str = "last",
    keep: bool = False,
) -> tuple[Path, list[str]]:
    """Write the page of a training.

    Args:
        run: the files of the run, from :func:`condinst.report.run.read_run`.
        cfg: its config; ``val_dataloader`` and ``val_evaluator`` locate the data.
        out: the page; None writes ``report.html`` in the work folder. The numbers go to
            ``STEM_data`` and ``STEM.json`` beside it.
        which: the validation whose predictions are reported, "last" or "best".
        keep: whether to keep a page that shows more than the new one would, for example because
            the data have moved since.

    Returns:
        The path of the page, and sentences on what is missing on it.

    Raises:
        OSError: a file cannot be written.
        ValueError: the old page shows more, and ``keep`` is set.
    """
    predictions = run.predictions(which)
    if predictions is None:
        run.missing.append(_no_predictions(run, which))
    path = Path(out) if out is not None else run.work_dir / "report.html"
    page = HtmlPage(f"Results of {run.work_dir.resolve().name}")
    results = _evaluate(run, cfg, "val", predictions)
    _begin(page, run, results)
    content = page_head.summary(page, run, cfg, which if predictions else None)
    content |= _sections(page, run, results)
    if keep:
        _check_shows_more(path, run.missing)
    return _write(page, path, content), run.missing


def write_test_report(
    cfg: Any,
    out: str | os.PathLike[str],
    *,
    predictions: str | os.PathLike[str],
    checkpoint: str,
) -> tuple[Path, list[str]]:
    """Write the page of a test, without curves.

    Args:
        cfg: the config of the test.
        out: the page, as in :func:`write_report`.
        predictions: the file that CocoMetric has saved.
        checkpoint: the tested checkpoint, for the page.

    Returns:
        The path of the page, and sentences on what is missing on it.

    Raises:
        OSError: a file cannot be written.
    """
    run = Run(Path(cfg.work_dir), Path(cfg.filename or "config"), None)
    page = HtmlPage(f"Test of {Path(checkpoint).name}")
    results = _evaluate(run, cfg, "test", Path(predictions))
    _begin(page, run, results)
    content = page_head.test_summary(page, cfg, checkpoint)
    content |= _sections(page, run, results)
    return _write(page, Path(out), content), run.missing


Results = tuple[EvaluatedSplit, Analysis]


def _evaluate(run: Run, cfg: Any, split_name: str, predictions: Path | None) -> Results | None:
    """Return the data and the numbers of the predictions; add a failure to ``run.missing``."""
    if predictions is None:
        return None
    try:
        split = read_split(cfg, split_name, run.folders)
        return split, analyze(split, predictions)
    except (ValueError, FileNotFoundError) as error:
        reason = without_error_numbers(str(error))
        run.missing.append(f"everything about the predictions: {reason}")
        return None


def _begin(page: HtmlPage, run: Run, results: Results | None) -> None:
    """Add what matters most."""
    if results is None:
        if run.curves is not None:
            page_start.logged_numbers(page, run.curves)
        return
    split, analysis = results
    page_start.key_numbers(page, split, analysis)
    page_start.worst_classes(page, split, analysis)
    name, scores = _first_images(analysis)
    if scores:
        page.heading(name)
        page.paragraph(f"Predictions with a score of {analysis.threshold:g} or more.")
        _draw(page, run, results, scores)


def _first_images(analysis: Analysis) -> tuple[str, list[ImageScore]]:
    """Return the worst images, or the best if none has an error."""
    return next((group for group in choose_images(analysis.images).items() if group[1]), ("", []))


def _sections(page: HtmlPage, run: Run, results: Results | None) -> dict[str, Any]:
    """Add everything below the summary; what is missing is listed and added to ``run.missing``."""
    content: dict[str, Any] = {}
    if run.curves is not None:
        content |= page_sections.training(page, run.curves)
    if results is not None:
        split, analysis = results
        page_sections.accuracy(page, split, analysis)
        page_sections.precision_recall(page, split, analysis)
        page_sections.thresholds(page, split, analysis)
        content |= _matches(page, run, results)
        page_errors.confusion(page, split, analysis)
        page_errors.errors(page, analysis)
        page_errors.image_table(page, split, analysis)
        _more_images(page, run, results)
        content |= as_dict(analysis, split)
    if run.missing:
        page.heading("What is missing")
        page.bullets(run.missing)
    return content | {"missing": list(run.missing)}


def _matches(page: HtmlPage, run: Run, results: Results) -> dict[str, Any]:
    """Add the numbers of MatchingMetric if the config has it."""
    split, analysis = results
    if split.matching is None:
        return {}
    try:
        found = label_matches.measure(split.truth, analysis.detections, split.matching)
    except ValueError as error:
        run.missing.append(f"one-to-one matches: {error}")
        return {}
    label_matches.section(page, found)
    return {"matching": label_matches.as_dict(found)}


def _more_images(page: HtmlPage, run: Run, results: Results) -> None:
    split, analysis = results
    first, scores = _first_images(analysis)
    drawn_before = {score.index for score in scores}
    for heading, scores in choose_images(analysis.images).items():
        if not scores or heading == first:
            continue
        page.heading(heading, 3)
        again = [split.file_names[score.index] for score in scores if score.index in drawn_before]
        _draw(page, run, results, [s for s in scores if s.index not in drawn_before])
        if again:
            page.paragraph(f"Shown above: {', '.join(again)}.")
        drawn_before |= {score.index for score in scores}


def _draw(page: HtmlPage, run: Run, results: Results, scores: list[ImageScore]) -> None:
    problems: list[str] = []
    drawn = list(draw_images(*results, scores, problems))
    if drawn:
        page.images(drawn, side=_SIDE, max_pixels=_PIXELS)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        run.missing.append(f"{counted(len(problems), 'image')}: {problems[0]}{more}")


def _no_predictions(run: Run, which: str) -> str:
    if which == "best" and run.predictions("last"):
        return "predictions of the best validation: none was saved; those of the last one were"
    checkpoint = run.checkpoints.get("last", "CHECKPOINT")
    return (
        "everything about the predictions: the run has saved none; either it has not validated "
        "yet, or its config has no ReportHook (custom_hooks) or no condinst.CocoMetric. A test "
        f"writes them: condinst test {run.config} {run.work_dir / checkpoint} "
        f"--report {run.work_dir / 'report.html'}"
    )


def _check_shows_more(path: Path, missing: list[str]) -> None:
    """Raise ValueError if the page at ``path`` lacks fewer parts than a new one would."""
    try:
        old = json.loads(read_regular(path.with_suffix(".json")).decode())
        lacked = old["missing"]
    except (OSError, ValueError, TypeError, KeyError):
        return
    if path.is_file() and isinstance(lacked, list) and len(lacked) < len(missing):
        lost = next((part for part in missing if part not in lacked), missing[-1])
        raise ValueError(
            f"{path} is kept, because a new page would not show {lost}; --out FILE.html writes the "
            "new page beside it"
        )


def _write(page: HtmlPage, path: Path, content: dict[str, Any]) -> Path:
    page.write(path)
    write_whole(path.with_suffix(".json"), json.dumps(content, indent=1, allow_nan=False))
    return path
