"""Write what the page reads of an exported file: python metadata.py MODEL.onnx > model.json

onnxruntime-web does not give the metadata of a file.
"""

import json
import sys

import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
keys = ("classes", "resize", "variant", "score_thr")
print(json.dumps({key: json.loads(about[f"condinst.{key}"]) for key in keys}))
