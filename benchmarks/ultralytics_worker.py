"""Run a YOLO model of ultralytics as ultralytics exports and calls it; started by rtmdet_deploy.

Runs in a Python of its own, because ultralytics has the license AGPL-3.0; nothing of this project
is imported. Reads one line of JSON, ``{"images": [...], "rle": true}``, at a time, predicts, and
writes the seconds. Weights are random. Untrained, all scores of these models are equal, so that no
instance passes: they have no masks to draw, which makes them look faster than they are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

_SIZE = 640
_PAIRS = 300  # candidates of an image before non-maximum suppression
_MOST = 100  # instances of an image


def main(name: str, folder: str) -> None:
    """Build a model by the name of its yaml, export it, and serve.

    Args:
        name: such as "yolo11s-seg.yaml".
        folder: where the files are written.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # ultralytics prints
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=folder)
    os.chdir(folder)
    import torch
    from pycocotools import mask as rle
    from ultralytics import YOLO, __version__

    torch.manual_seed(0)
    weights = Path(folder, Path(name).stem + ".pt")
    YOLO(name, task="segment").save(str(weights))
    file = YOLO(str(weights)).export(format="onnx", imgsz=_SIZE, device="cpu")
    model = YOLO(file, task="segment")
    settings: dict[str, Any] = dict(imgsz=_SIZE, max_det=_MOST, device="cpu", verbose=False)
    print(json.dumps(dict(version=__version__, file=file)), file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if "conf" not in settings:
            settings["conf"] = _threshold(file, task["images"])
        start = time.perf_counter()
        count = 0
        for path in task["images"]:
            found = model.predict(path, retina_masks=task["rle"], **settings)[0]
            if found.masks is not None:
                count += len(found.masks)
                masks = found.masks.data.cpu().numpy()
                if task["rle"]:
                    columns = masks.astype("uint8").transpose(1, 2, 0).copy(order="F")
                    rle.encode(columns)
        answer = dict(seconds=time.perf_counter() - start, instances=count)
        print(json.dumps(answer), file=answers, flush=True)


def _threshold(file: str, paths: list[str]) -> float:
    """Return the score that some hundred candidates of an image pass."""
    import numpy as np
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession(file)
    found = []
    for path in paths:
        image = Image.open(path).convert("RGB").resize((_SIZE, _SIZE))
        pixels = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        output = session.run(None, {session.get_inputs()[0].name: pixels})[0][0]
        if output.shape[0] == _PAIRS:  # the file has chosen already: (300, 6 + coefficients)
            found.append(float(np.sort(output[:, 4])[-_MOST]))
        else:  # (4 + 80 + coefficients, points)
            found.append(float(np.sort(output[4:84].max(axis=0))[-_PAIRS]))
    return float(np.median(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
