"""Run an exported file with ONNX Runtime alone: python examples/onnx_minimal.py MODEL.onnx IMAGE

Export the file without --fixed-size. condinst.deploy.OnnxPredictor does the same and more.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
names, resize = (json.loads(about[f"condinst.{key}"]) for key in ("classes", "resize"))

image = Image.open(sys.argv[2]).convert("RGB")
long, short = max(resize["scale"]), min(resize["scale"])
factor = min(long / max(image.size), short / min(image.size))
resized = image.resize([int(side * factor + 0.5) for side in image.size], Image.BILINEAR)
images = np.asarray(resized, np.float32).transpose(2, 0, 1)[None]
out_size = np.array([image.height, image.width], np.int64)

boxes, scores, labels, masks, _ = session.run(None, {"images": images, "out_size": out_size})
for box, score, label, mask in zip(boxes, scores, labels, masks, strict=True):
    print(names[label], f"{score:.3f}", box.round(1).tolist(), f"{mask.sum()} pixels")
