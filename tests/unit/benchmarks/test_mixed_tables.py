"""The table of mixed labels from results made by hand."""

from benchmarks.mixed_tables import as_markdown, write_report


def record(kind, share, seed, mask_ap):
    return dict(
        kind=kind, share=share, seed=seed, mask_ap=mask_ap, box_ap=0.5, cpu_minutes=26.0,
        iterations=600, stride=2, options=[], date=f"2026-12-0{seed + 1}", processor="P",
        torch="2.14.1", commit=None,
    )  # fmt: skip


RECORDS = [
    record("mixed", 20, 0, 0.57),
    record("mixed", 20, 1, 0.59),
    record("masks", 20, 0, 0.55),
    record("boxes", 0, 0, 0.59),
    record("masks", 100, 0, 0.6),
]


def test_mean_spread_and_targets():
    lines = as_markdown(RECORDS).splitlines()
    # the standard deviation of 0.57 and 0.59 is 0.02 / sqrt(2)
    assert lines[2:6] == [
        "| masks on all images | 0.600 |  | 0.600 to 0.600 | 1 | 100.0% | 0.500 | 26.0 |",
        "| masks on 20% of the images, boxes on the others | 0.580 | 0.014 | 0.570 to 0.590 | 2 | "
        "96.7% | 0.500 | 26.0 |",
        "| masks on 20% of the images, without the others | 0.550 |  | 0.550 to 0.550 | 1 | "
        "91.7% | 0.500 | 26.0 |",
        "| boxes alone | 0.590 |  | 0.590 to 0.590 | 1 | 98.3% | 0.500 | 26.0 |",
    ]
    text = "\n".join(lines)
    assert "reach 96.7% of the mask AP of all masks; the target is 95%: reached." in text
    assert "Against the same masks alone: +0.030; the target is above 0: reached." in text
    assert "Against boxes: -0.010; the target is above 0: MISSED." in text
    assert lines[-1].endswith("P; torch 2.14.1; 2026-12-01 to 2026-12-02.")


def test_a_part_of_the_runs(tmp_path, capsys):
    text = as_markdown(RECORDS[3:4])
    assert "target" not in text
    assert "| boxes alone | 0.590 |  | 0.590 to 0.590 | 1 |  |" in text
    path = tmp_path / "mixed.json"
    assert write_report([], path) == []
    assert "no result of these settings" in capsys.readouterr().out
    for written in (write_report(RECORDS[3:4], path), write_report(RECORDS, path)):
        assert written == [tmp_path / "mixed.md", tmp_path / "mixed.png"]
        assert written[1].read_bytes().startswith(b"\x89PNG")
        text = written[0].read_text()
        assert text.startswith("# Masks for a share of the images\n\n| learned from |")
        assert text.endswith("(mixed.png)\n")
