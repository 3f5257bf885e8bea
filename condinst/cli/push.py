"""Upload a model to the Hugging Face Hub, with a card that is made from the training's report.

The repository gets the weights as convert --release makes them (no optimizer, the moving average of
the weights if there is one, the config inside), config.py, and the card README.md: what the model
finds, how to use it, its AP where exactly these weights were validated, the network, the license.
Nothing of the data is uploaded but the names of classes and of the annotation file, and the image
that --image names. Everybody can then use hf://OWNER/REPO/FILE wherever a checkpoint is expected.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from condinst.cli.early import check_content, check_exists, check_file
from condinst.cli.values import check_range
from condinst.compat import require_packages
from condinst.utils.files import check_writable
from condinst.utils.hub import check_repo, upload_to_hub
from condinst.utils.names import printable

_EXAMPLES = """examples:
  %(prog)s work_dirs/NAME someone/nuclei --license cc-by-4.0 --dry-run card
  %(prog)s work_dirs/NAME someone/nuclei --license cc-by-4.0 --image example.png \\
      --data "400 images of DSB 2018, see https://bbbc.broadinstitute.org/BBBC038"
  %(prog)s work_dirs/NAME/iter_90000.pth someone/nuclei --license apache-2.0 --private --half

Log in once with: hf auth login (or set the environment variable HF_TOKEN).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "source",
        type=Path,
        help="work folder of a training, of which the best checkpoint is taken, or a checkpoint",
    )
    parser.add_argument("repo", metavar="OWNER/REPO", help="the repository, made if there is none")
    parser.add_argument(
        "--license",
        metavar="NAME",
        help="license of the weights, such as apache-2.0 or cc-by-nc-4.0; that of the training "
        "data may restrict it",
    )
    parser.add_argument("--data", metavar="TEXT", help="words for the card on the training data")
    parser.add_argument(
        "--image", metavar="FILE", help="draw the detections on this image for the card"
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        metavar="X",
        help="the score from which on a detection is worth showing, which the card says (default: "
        "that of the report with the best F1)",
    )
    parser.add_argument(
        "--half", action="store_true", help="store the weights in float16: half of the size"
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument(
        "--dry-run", type=Path, metavar="FOLDER", help="write the files here, and upload nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``condinst push``."""
    check_repo(args.repo)
    check_exists("source", args.source)
    if args.source.is_file():
        check_content(args.source)
    if not args.license or not args.license.strip():
        raise ValueError(
            "--license: expected the license of the weights, such as apache-2.0, cc-by-4.0 or "
            "cc-by-nc-4.0; that of the training data may restrict it"
        )
    check_range("--score-thr", args.score_thr)
    if args.image is not None:
        check_file("--image", args.image)
    if args.dry_run is not None:
        if args.dry_run.is_dir() and any(args.dry_run.iterdir()):
            raise ValueError(f"--dry-run {args.dry_run}: expected a new or empty folder")
        check_writable("--dry-run", args.dry_run)
    require_packages()
    print(f"reading {printable(args.source)} ...", flush=True)  # importing PyTorch takes seconds
    if args.dry_run is not None:
        _write(args, args.dry_run)
        print(f"wrote {printable(args.dry_run)}; nothing was uploaded")
        return 0
    with tempfile.TemporaryDirectory(prefix="condinst-") as folder:
        weights = _write(args, Path(folder))
        print("uploading ...", flush=True)
        page = upload_to_hub(
            Path(folder), args.repo, private=args.private, message=f"condinst push: {weights}"
        )
    print(f"uploaded to {page}")
    print(f"condinst predict hf://{args.repo}/{weights} IMAGE")
    return 0


def _write(args: argparse.Namespace, folder: Path) -> str:
    """Write the files, print what they are, and return the name of the weights."""
    from condinst.share import choose_checkpoint, write_folder

    checkpoint, training = choose_checkpoint(args.source)
    print(f"checkpoint: {printable(checkpoint)}")
    written = write_folder(
        folder,
        checkpoint,
        args.repo,
        license=args.license.strip(),
        run=training,
        half=args.half,
        score_thr=args.score_thr,
        data=args.data,
        image=args.image,
    )
    for name in written.files:
        print(f"  {name}: {(folder / name).stat().st_size / 1e6:.2f} MB")
    for note in written.notes:
        print(f"the card has {note}")
    return written.weights
