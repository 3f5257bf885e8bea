"""Measure recipes for small data at equal CPU time, each alone and all together.

    python -m benchmarks.small_data --dataset nuclei=data/nuclei \\
        --dataset coco_small=data/coco_small --dataset dsb2018=data/dsb2018 \\
        --results docs/benchmarks/small_data.json --work work_dirs/small_data \\
        --weights weights/mobilenetv2_100.pth

dsb2018 is the folder of nuclei_stardist.py: its 67 validation images are measured, its test images
are not read. How many iterations a recipe has follows from --cpu-minutes and from the time of an
iteration, which two short trainings measure. A run whose result is in the file is not repeated.
--list names the recipes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from benchmarks import runs
from benchmarks.nuclei_data import write_coco_files
from benchmarks.small_data_plan import Training, plan, possible
from benchmarks.small_data_recipes import RECIPES, apply, parts_of
from benchmarks.small_data_tables import write_report
from condinst.config.build import build_model
from condinst.config.check import check_config
from condinst.config.data_root import set_data_root
from condinst.config.overrides import override
from condinst.registry import DATASETS as BUILDERS

__all__ = ["DATASETS", "config", "main"]

_CONFIGS = runs.ROOT / "configs"
DATASETS = {
    "nuclei": _CONFIGS / "nuclei" / "nuclei_condinst_mobilenetv2_fpn.py",
    "coco_small": _CONFIGS / "coco_small" / "coco-small_condinst_mobilenetv2_fpn.py",
    "dsb2018": _CONFIGS / "nuclei" / "condinst_mobilenetv2_fpn_dsb2018.py",
}
_SHORTEST = 60  # iterations


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, then write the table and the chart."""
    args, parser = _parse(argv)
    if args.list:
        print("\n".join(f"{name:14} {recipe.title}" for name, recipe in RECIPES.items()))
        return
    results = runs.Results(args.results)
    if not args.report:
        configs = {name: Config.fromfile(args.configs[name]) for name in args.folders}
        chosen, left_out = possible(configs, args.recipes)
        if left_out and args.recipes is not None:
            parser.error("; ".join(left_out))
        for line in left_out:
            print(f"left out: {line}")
        missing = _missing(args, results, plan(chosen, args.seeds))
        if args.plan:
            print("\n".join(map(str, missing)) or "nothing is missing")
            return
        problems = _problems(args, missing)
        if problems:
            parser.error("; ".join(problems))
        runs.work_through(missing, lambda one: _run(args, one, results), args.minutes)
    found = results.find("runs", budget=_budget(args), options=runs.option_texts(args))
    for path in write_report(found, args.results):
        print(f"wrote {path}")


def _parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help=f"a dataset and its folder; may be given more than once: {', '.join(DATASETS)}",
    )
    runs.add_arguments(parser)
    parser.add_argument(
        "--recipes",
        nargs="+",
        metavar="NAME",
        help='recipes, several at once joined by "+", or "all" (default: each alone, and all)',
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="another config for a dataset, such as one of RTMDet-Ins",
    )
    parser.add_argument(
        "--cpu-minutes", type=float, default=25, help="CPU time of a training (default 25)"
    )
    parser.add_argument("--iterations", type=int, help="instead of it, the same for all recipes")
    parser.add_argument("--list", action="store_true", help="list the recipes")
    args = parser.parse_args(argv)
    args.folders = {name: Path(text) for name, text in _pairs(parser, "--dataset", args.dataset)}
    args.configs = DATASETS | {
        name: Path(text) for name, text in _pairs(parser, "--config", args.config)
    }
    try:
        for name in args.recipes or ():
            parts_of(name)
    except ValueError as error:
        parser.error(f"--recipes {error}")
    if args.list or args.report:
        return args, parser
    if not args.folders:
        parser.error("--dataset: expected at least one NAME=FOLDER")
    for name in args.folders:
        if not args.folders[name].is_dir():
            parser.error(f"--dataset {name}={args.folders[name]}: there is no such folder")
    if "dsb2018" in args.folders and Config.fromfile(args.configs["dsb2018"]).get("load_from"):
        # other sets of nuclei hold images of its validation set
        parser.error("--config dsb2018: load_from is set; expected a backbone's weights alone")
    runs.check_weights(parser, args)
    return args, parser


def _pairs(
    parser: argparse.ArgumentParser, option: str, texts: Sequence[str]
) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        name, _, value = text.partition("=")
        if name not in DATASETS or not value:
            parser.error(f"{option} {text}: expected NAME=PATH, NAME of {', '.join(DATASETS)}")
        found.append((name, value))
    return found


def config(args: argparse.Namespace, dataset: str, parts: Sequence[str], iterations: int) -> Config:
    """Return the config of a dataset with recipes, for so many iterations."""
    cfg = Config.fromfile(args.configs[dataset])
    folder = args.folders[dataset]
    if dataset == "dsb2018":
        folder = args.work / "dsb2018_coco"
        write_coco_files(args.folders[dataset], folder, ("train", "val"))
    set_data_root(cfg, f"{folder.resolve()}/")
    runs.add_weights(cfg, args.weights)
    apply(cfg, parts, iterations)
    override(cfg, args.cfg_options, parts=())
    runs.set_length(cfg, iterations)
    return cfg


def _problems(args: argparse.Namespace, missing: Sequence[Training]) -> list[str]:
    """Build the model and load an image of each kind of training; return what fails."""
    problems = []
    loaded = set()
    for dataset, parts in dict.fromkeys((one.dataset, one.parts) for one in missing):
        try:
            cfg = config(args, dataset, parts, _SHORTEST)
            check_config(cfg)
            build_model(cfg)
            text = str(cfg.train_dataloader.dataset)
            if text not in loaded:  # most recipes leave the images alone
                loaded.add(text)
                with DefaultScope.overwrite_default_scope("condinst"):
                    BUILDERS.build(cfg.train_dataloader.dataset)[0]
        except (ValueError, TypeError, KeyError, OSError) as error:
            problems.append(f"{dataset} {'+'.join(parts)}: {error}")
    return problems


def _budget(args: argparse.Namespace) -> str:
    if args.iterations is not None:
        return f"{args.iterations} iterations"
    return f"{args.cpu_minutes:g} CPU minutes"


def _key(args: argparse.Namespace, one: Training, name: str) -> dict[str, Any]:
    return dict(dataset=one.dataset, recipe=name, seed=one.seed) | _settings(args, one.dataset)


def _settings(args: argparse.Namespace, dataset: str) -> dict[str, Any]:
    stem = Path(args.configs[dataset]).stem
    return dict(budget=_budget(args), config=stem, options=runs.option_texts(args))


def _missing(
    args: argparse.Namespace, results: runs.Results, trainings: Sequence[Training]
) -> list[Training]:
    found = []
    for one in trainings:
        measured = {
            name: parts
            for name, parts in one.measured.items()
            if not results.find("runs", **_key(args, one, name))
        }
        if measured:
            found.append(replace(one, measured=measured))
    return found


def _iterations(args: argparse.Namespace, one: Training, results: runs.Results) -> int:
    """Return the number of iterations: that of the same training before, or by the time of one."""
    factor = RECIPES[one.parts[0]].factor
    if factor is not None:
        baseline = replace(one, parts=("baseline",))
        return round(factor * _iterations(args, baseline, results))
    if args.iterations is not None:
        return args.iterations
    key = dict(dataset=one.dataset, training=one.recipe) | _settings(args, one.dataset)
    before = results.find("runs", **key)
    if before:
        return before[0]["iterations"]
    seconds = _seconds(args, one.dataset, one.parts, results)
    if one.parts != ("baseline",):
        # the first machine's, also where this one is slower or faster
        here = _seconds(args, one.dataset, ("baseline",), results)
        same = {name: key[name] for name in ("dataset", "config", "options")}
        seconds *= results.find("probes", training="baseline", **same)[0]["cpu_seconds"] / here
    return max(_SHORTEST, int(60 * args.cpu_minutes / seconds))


def _seconds(
    args: argparse.Namespace, dataset: str, parts: Sequence[str], results: runs.Results
) -> float:
    """Return the CPU seconds of an iteration on this processor, measured once."""
    about = runs.environment()
    settings = _settings(args, dataset)
    key = dict(
        dataset=dataset,
        training="+".join(parts),
        config=settings["config"],
        options=settings["options"],
        processor=about["processor"],
        cores=about["cores"],
    )
    before = results.find("probes", **key)
    if not before:

        def train_for(number: int) -> float:
            cfg = runs.leave_out_validation(config(args, dataset, parts, number))
            return runs.train(cfg, args.work / "probe", "--seed", 0, *runs.FAST)

        seconds = runs.seconds_per_iteration(train_for)
        results.add("probes", key | dict(cpu_seconds=round(seconds, 4), date=about["date"]))
        return seconds
    return before[0]["cpu_seconds"]


def _run(args: argparse.Namespace, one: Training, results: runs.Results) -> None:
    iterations = _iterations(args, one, results)
    place = args.work / one.dataset / f"{one.recipe}_seed_{one.seed}"
    key = _settings(args, one.dataset) | dict(iterations=iterations)
    cfg = config(args, one.dataset, one.parts, iterations)
    trained = runs.train_once(cfg, place, key, "--seed", one.seed, *runs.FAST)
    checkpoint = trained.pop("checkpoint")
    for name, parts in one.measured.items():
        cfg = config(args, one.dataset, parts, iterations)
        found = runs.measure(cfg, checkpoint, place / f"test_{name}")
        more = dict(training=one.recipe, parts=list(parts), iterations=iterations)
        results.add("runs", _key(args, one, name) | more | found | trained | runs.environment())
        print(f"{one.dataset} {name} seed {one.seed}: mask AP {found['mask_ap']:.3f}", flush=True)
    if args.commit:
        results.commit(f"Benchmark of small data: {one}")


if __name__ == "__main__":
    main()
