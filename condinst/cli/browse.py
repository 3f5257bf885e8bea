"""Draw a dataset as training uses it: augmented images with masks, boxes and names.

--targets adds a panel with the targets of the training step: the masks at every few pixels with
their centers, or for BoxInst the fraction of each cell's neighbors with a similar color.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.common import add_cfg_options, check_writable, read_ahead, read_config
from condinst.cli.early import check_config
from condinst.cli.output_places import check_apart, check_free
from condinst.cli.values import check_least
from condinst.utils.files import write_whole
from condinst.utils.names import printable, safe_part
from condinst.utils.words import counted

if TYPE_CHECKING:
    import numpy as np

    from condinst.cli.browse_data import BrowsedSample

_MARK = ".condinst_browse"  # a file that tells our folders from those of others
_EXAMPLES = """examples:
  %(prog)s CONFIG --out images
  %(prog)s CONFIG --out images --num-images 5 --repeat 4 --targets
  %(prog)s CONFIG --split val --out images --cfg-options data_root=/data/coco/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    parser.add_argument("config", help="config file, or name of a model (condinst list)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the drawn images")
    parser.add_argument(
        "--split", choices=["train", "val"], default="train", help="which dataset (default train)"
    )
    parser.add_argument(
        "--num-images", type=int, default=20, help="how many of its images (default 20)"
    )
    parser.add_argument(
        "--repeat", type=int, default=1, help="how often each image is augmented (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the augmentations (default 0)")
    parser.add_argument(
        "--targets", action="store_true", help="also draw the targets of the training step"
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``condinst browse``."""
    check_least("--num-images", args.num_images)
    check_least("--repeat", args.repeat)
    check_least("--seed", args.seed, 0)
    check_writable("--out", args.out)
    check_free("--out", args.out, _MARK, "condinst browse", any_file=True)
    check_config(args.config)
    print(f"config  {printable(args.config)}", flush=True)  # importing PyTorch takes seconds
    check_apart("--out", args.out, read_ahead(args.config, args.cfg_options, (args.split,)))
    cfg = read_config(args.config, args.cfg_options)

    from PIL import Image

    from condinst.cli.browse_data import Browser
    from condinst.config.blame import blaming
    from condinst.datasets.checks.checks import check_datasets

    with blaming(cfg, "checking the data"):
        print(check_datasets(cfg, splits=(args.split,)))
    with blaming(cfg):
        browser = Browser(cfg, args.split, args.targets)
    args.out.mkdir(parents=True, exist_ok=True)
    write_whole(args.out / _MARK, "The images of this folder are drawn by condinst browse.\n")
    written = 0
    views = browser.views(args.num_images, args.repeat, args.seed)
    while True:
        with blaming(cfg, "drawing"):
            view = next(views, None)
        if view is None:
            break
        # the index distinguishes images of one name, and drawn images from the dataset's files
        again = f"_{written % args.repeat + 1}" if args.repeat > 1 else ""
        name = safe_part(Path(view.path).stem)
        path = args.out / f"{view.index:06d}{again}_{name}.jpg"
        buffer = io.BytesIO()
        Image.fromarray(draw(view, browser.classes)).save(buffer, "JPEG", quality=95)
        write_whole(path, buffer.getvalue())
        written += 1
        ignored = f", {view.num_ignored} ignored" if view.num_ignored else ""
        print(f"{printable(path)}: {len(view.instances)} objects{ignored}", flush=True)
    wrote = f"wrote {counted(written, 'image')} to {printable(args.out)}"
    print(f"{wrote} (the dataset has {len(browser):,})")
    return 0


def draw(view: BrowsedSample, classes: tuple[str, ...]) -> np.ndarray:
    """Draw one sample as an (H, W, 3) uint8 RGB image, with its targets to the right, if any."""
    import numpy as np

    from condinst.visualization.instances import draw_instances
    from condinst.visualization.labels import with_title

    drawn = draw_instances(view.image, view.instances, classes)
    if view.targets is None:
        return drawn
    title, panel = _draw_targets(view, classes)
    height, width = view.image.shape[:2]
    panels = [with_title(drawn, f"{width} x {height}"), with_title(panel, title)]
    gap = np.full((panels[0].shape[0], 6, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1]], axis=1)


def _draw_targets(view: BrowsedSample, classes: tuple[str, ...]) -> tuple[str, np.ndarray]:
    import numpy as np
    from mmengine.structures import InstanceData

    from condinst.targets.target_types import SampledMasks
    from condinst.visualization.instances import draw_instances

    targets = view.targets
    height, width = view.image.shape[:2]

    def enlarge(cells: Any) -> np.ndarray:
        """Enlarge (..., h, w) cells to (..., H, W) pixels."""
        large = np.asarray(cells).repeat(targets.stride, axis=-2).repeat(targets.stride, axis=-1)
        # a last row or column of less than half a cell has no cell of its own
        missing = [max(0, n - m) for n, m in zip((height, width), large.shape[-2:], strict=True)]
        edges = [(0, 0)] * (large.ndim - 2) + [(0, n) for n in missing]
        return np.pad(large, edges, mode="edge")[..., :height, :width]

    if not isinstance(targets, SampledMasks):
        similar = np.asarray(targets.edges, np.float32).mean(axis=0)  # (h, w) fractions
        gray = np.rint(enlarge(similar) * 255).astype(np.uint8)
        return "similar colors: white", np.repeat(gray[..., None], 3, axis=2)
    sampled = InstanceData(labels=view.instances.labels, masks=enlarge(targets.samples))
    panel = draw_instances(view.image, sampled, classes).copy()
    for x, y in targets.centers.numpy().astype(int):
        panel[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = 0
        panel[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 255
    title = f"every {targets.stride} pixels"
    if targets.box_only is not None and targets.box_only.any():
        title += f"; {int(targets.box_only.sum())} with only a box, filled"
    return title, panel
