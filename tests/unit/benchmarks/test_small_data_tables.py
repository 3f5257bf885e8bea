"""The tables of recipes from results made by hand."""

import pytest

from benchmarks.small_data_tables import as_markdown, gains, write_report


def record(recipe, seed, mask_ap, **changes):
    values = dict(
        dataset="nuclei", recipe=recipe, seed=seed, mask_ap=mask_ap, box_ap=0.5, iterations=600,
        cpu_minutes=25.0, config="c", budget="25 CPU minutes", options=[], parts=[recipe],
        date="2026-12-01", processor="P", torch="2.14.1", commit="abc",
    )  # fmt: skip
    return values | changes


RECORDS = [
    record("all", 0, 0.65, parts=["ema", "freeze"]),
    record("ema", 0, 0.62),
    record("ema", 1, 0.66),
    record("ema", 2, 0.9),  # without a baseline
    record("baseline", 1, 0.62),
    record("baseline", 0, 0.6),
    record("longer", 0, 0.63, iterations=900, cpu_minutes=37.5),
    record("ema+freeze", 0, 0.5, dataset="coco_small", parts=["ema", "freeze"]),
]


def test_gains_are_taken_seed_by_seed():
    assert gains(RECORDS[4:6], RECORDS[1:4]) == pytest.approx([0.02, 0.04])


def test_tables_by_hand():
    lines = as_markdown(RECORDS).splitlines()
    small, nuclei = lines.index("### coco_small, c"), lines.index("### nuclei, c")
    assert lines[small + 4] == (
        "| together: ema, freeze | 0.500 |  | 0.500 to 0.500 | 1 |  | 600 | 25.0 |"
    )
    rows = lines[nuclei + 4 : nuclei + 8]
    # standard deviations: of two values half of their distance times the square root of 2
    assert rows[0] == "| baseline | 0.610 | 0.014 | 0.600 to 0.620 | 2 |  | 600 | 25.0 |"
    assert rows[1].startswith(
        "| moving average of the weights over a tenth of the training | 0.727"
    )
    assert rows[1].endswith("| 0.620 to 0.900 | 3 | +0.030 (0.014) | 600 | 25.0 |")
    assert rows[2] == (
        "| 1.5 times the iterations (not equal time) | 0.630 |  | 0.630 to 0.630 | 1 | +0.030 | "
        "900 | 37.5 |"
    )
    assert rows[3].startswith("| all together: ema, freeze | 0.650 |")
    assert "25 CPU minutes" in lines[-1]
    assert lines[-1].endswith("P; torch 2.14.1; condinst abc; 2026-12-01.")


def test_files(tmp_path, capsys):
    path = tmp_path / "small.json"
    assert write_report([], path) == []
    assert "no result of these settings" in capsys.readouterr().out
    for records in (RECORDS, RECORDS[4:5], RECORDS[:1]):  # also a baseline alone, and none
        assert write_report(records, path) == [tmp_path / "small.md", tmp_path / "small.png"]
        assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG")
