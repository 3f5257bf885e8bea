"""Measure a training step with sleeping and with spinning threads, in processes in turn.

    python -m benchmarks.waiting --threads 2 --rounds 7

OpenMP reads ``OMP_WAIT_POLICY`` when it is loaded, so that each figure needs a process of its own.
A process builds a small CondInst, trains it on random images, and prints the median of its steps;
the processes alternate, and another policy begins each round. ``condinst`` sets PASSIVE where other
programs compute; ``--busy N`` adds N processes that compute all the time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measure import Comparison

POLICIES = ("ACTIVE", "PASSIVE")
_CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_CONFIG = "quickstart_condinst_r18_fpn_shapes.py"


def time_steps(steps: int, warmup: int = 2) -> float:
    """Return the median seconds of a training step of the quickstart's model in this process.

    Eight images of 128 x 128 pixels with three squares each; weights and images are seeded.
    """
    import torch
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.config import Config
    from mmengine.structures import InstanceData

    from benchmarks.training import make_optimizer, train_step
    from condinst.compat.base_configs import shipped_config
    from condinst.config.build import build_model

    torch.manual_seed(0)
    cfg = Config.fromfile(str(shipped_config(_CONFIG)))
    cfg.model.backbone.init_cfg = None
    model: torch.nn.Module = build_model(cfg)
    inputs = [torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8) for _ in range(8)]
    masks = torch.zeros(3, 128, 128, dtype=torch.uint8)
    corners = ((8, 8), (64, 20), (30, 70))
    for mask, (x, y) in zip(masks, corners, strict=True):
        mask[y : y + 40, x : x + 40] = 1
    boxes = torch.tensor([[x, y, x + 40, y + 40] for x, y in corners], dtype=torch.float32)
    samples = []
    for _ in inputs:
        sample = DetDataSample(metainfo=dict(img_shape=(128, 128), ori_shape=(128, 128)))
        sample.gt_instances = InstanceData(
            bboxes=boxes.clone(),
            labels=torch.tensor([0, 1, 2]),
            masks=BitmapMasks(masks.numpy(), 128, 128),
        )
        samples.append(sample)
    batch = dict(inputs=inputs, data_samples=samples)
    optimizer = make_optimizer(model)
    seconds = []
    for i in range(-warmup, steps):
        start = time.perf_counter()
        train_step(model, batch, "cpu", optimizer)
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(policy: str, threads: int, steps: int) -> float:
    """Return :func:`time_steps` of a process with one policy."""
    environment = {name: value for name, value in os.environ.items() if name not in _CHOICES}
    environment |= {"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "benchmarks.waiting", "--steps", str(steps), "--here"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep ``number`` processes computing during the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


def main(argv: list[str] | None = None) -> None:
    """Print the medians and their ratio with its 95% interval."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2, help="OpenMP's threads (default 2)")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each policy")
    parser.add_argument("--steps", type=int, default=20, help="training steps of each process")
    parser.add_argument("--busy", type=int, default=0, help="other computing processes (default 0)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.here:
        print(time_steps(args.steps))
        return
    times: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    with busy(args.busy):
        for i in range(args.rounds):
            for policy in POLICIES if i % 2 else POLICIES[::-1]:
                times[policy].append(measure(policy, args.threads, args.steps))
                print(f"{policy.lower():8}{times[policy][-1]:.3f} s a step", flush=True)
    found = Comparison("training step", times["ACTIVE"], times["PASSIVE"], against="spinning")
    low, high = found.spread
    spinning, sleeping = (statistics.median(times[policy]) for policy in POLICIES)
    print(
        f"spinning {spinning:.3f} s, sleeping {sleeping:.3f} s; spinning takes {found.ratio:.2f} "
        f"times as long ({low:.2f} to {high:.2f}); {args.threads} threads, {args.busy} other "
        "processes"
    )


if __name__ == "__main__":
    main()
