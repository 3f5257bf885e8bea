"""Configs with mistakes through the commands: success, or one clear message."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from config_cases import BASES, Case, as_text, make_case
from config_fuzz import Workshop, judge, run_case, run_cases

HELPERS = Path(__file__).parents[1] / "helpers"
NUM = 500  # of all cases
CHUNK = 100  # of them in one process


def _problems(outcomes):
    return [o for o in outcomes if o["result"] not in ("success", "message")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDINST_DATA_ROOT", "")  # is put back
        yield Workshop(tmp_path_factory.mktemp("config_fuzz"))


def test_thirty_configs_with_mistakes(shop):
    """One process; the cases are those of the slow test's beginning."""
    outcomes = [vars(o) for o in run_cases(range(30), shop)]
    assert _problems(outcomes) == []
    assert sum(o["result"] == "message" for o in outcomes) >= 15
    assert sum(o["result"] == "success" for o in outcomes) >= 3


def test_the_bases_themselves_train(shop):
    """Else every case would end in the same message."""
    for number, name in enumerate(BASES):
        case = Case(number, name, "none", "as it is", "train", {"c.py": as_text(shop.bases[name])})
        assert run_case(case, shop).result == "success", name


def test_a_case_follows_from_its_number(shop):
    for number in range(60):
        assert make_case(number, shop.bases) == make_case(number, shop.bases)


@pytest.mark.parametrize(
    ("code", "out", "err", "expected"),
    [
        (0, "", "", "success"),
        (1, "", "error: train_cfg.max_iter=5: did you mean it?", "message"),
        (1, "", "error: the data cannot be used:\n  1. a\n  2. b", "message"),
        (2, "", "condinst train: error: argument --seed: invalid", "message"),
        (1, "", "error: one thing that is wrong\nand more of it", "unclear"),
        (1, "", "error: 3", "unclear"),
        (1, "", "", "unclear"),
        (3, "", "error: another code that nobody promised", "unclear"),
        (0, "Traceback (most recent call last):", "", "traceback"),
    ],
)
def test_the_judge(code, out, err, expected):
    assert judge(code, out, err)[0] == expected


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, NUM, CHUNK))
def test_all_configs_with_mistakes(tmp_path, first):
    """In a process of its own, whose death names the case after the last one told."""
    words = [sys.executable, HELPERS / "config_fuzz.py", "--first", first, "--num", CHUNK]
    done = subprocess.run(
        [str(w) for w in (*words, "--folder", tmp_path)],
        capture_output=True,
        text=True,
        timeout=3600,
    )
    outcomes = [json.loads(x) for x in done.stdout.splitlines() if x.startswith('{"number"')]
    assert len(outcomes) == CHUNK, f"died after case {first + len(outcomes)}: {done.stderr[-2000:]}"
    assert _problems(outcomes) == []
