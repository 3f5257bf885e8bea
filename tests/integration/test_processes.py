"""The fixes reach processes that are started afresh: by torchrun, and as data-loader workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.long


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


ALL_REDUCE = """
import sys
from pathlib import Path
import condinst, torch
from mmengine.dist import all_reduce, get_rank, init_dist
from mmengine.model import MMDistributedDataParallel
torch.cuda.is_available = lambda: False
init_dist("pytorch", backend="nccl")
model = MMDistributedDataParallel(module=torch.nn.Linear(1, 1), device_ids=[get_rank()])
model(torch.full((1, 1), get_rank() + 1.0)).sum().backward()
total = torch.tensor(get_rank() + 1)
all_reduce(total)
answer = torch.distributed.get_backend(), total.item(), model.module.weight.grad.item()
Path(sys.argv[1], f"{get_rank()}.txt").write_text(str(answer))
torch.distributed.destroy_process_group()
"""


def test_torchrun_starts_two_processes_on_the_cpu(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(ALL_REDUCE)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    run(*launch, str(script), str(tmp_path))
    for rank in range(2):  # 1 + 2; the mean of the gradients 1 and 2
        assert (tmp_path / f"{rank}.txt").read_text() == "('gloo', 3, 1.5)"


LOAD = """
import sys


def main(folder, method):  # what a worker imports from here must not be what brings the fixes
    import condinst
    from mmdet.datasets import CocoDataset
    from mmengine.dataset import pseudo_collate
    from torch.utils.data import DataLoader

    dataset = CocoDataset(
        ann_file="annotations.json",
        data_root=folder,
        data_prefix=dict(img=""),
        metainfo=dict(classes=("thing",)),
        pipeline=[
            dict(type="mmdet.LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True, with_mask=True),
            dict(type="mmdet.PackDetInputs"),
        ],
    )
    loader = DataLoader(
        dataset, num_workers=1, multiprocessing_context=method, collate_fn=pseudo_collate
    )
    for batch in loader:
        print("loaded", *batch["inputs"][0].shape, len(batch["data_samples"][0].gt_instances))


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.fixture
def coco(tmp_path) -> Path:
    """Two images with one square each, and the script that loads them."""
    images, annotations = [], []
    for i in range(2):
        Image.fromarray(np.full((32, 48, 3), 100, dtype=np.uint8)).save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 32, "width": 48})
        square = {"bbox": [4, 4, 16, 16], "segmentation": [[4, 4, 20, 4, 20, 20, 4, 20]]}
        annotations.append({"id": i, "image_id": i, "category_id": 1, "area": 256, **square})
        annotations[-1]["iscrowd"] = 0
    categories = [{"id": 1, "name": "thing"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    (tmp_path / "script.py").write_text(LOAD)
    return tmp_path


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_not_forked_get_the_stand_in(repo, coco, method):
    if method == "forkserver" and sys.platform == "win32":
        pytest.skip("Windows has no forkserver")
    # Without the module site no startup file runs: condinst as a mere folder on the path.
    path = os.pathsep.join([str(repo), *(p for p in sys.path if p.endswith("site-packages"))])
    script = str(coco / "script.py")
    out = run("-S", script, str(coco), method, environment={"PYTHONPATH": path})
    loaded = [line for line in out.splitlines() if line.startswith("loaded")]
    assert loaded == ["loaded 3 32 48 1"] * 2
