"""A program of a user, for ``mypy --strict``: it is checked and not run.

Every method of ``Results``, and every kind of source; ``assert_type`` fails where a type is hidden.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import assert_type

import condinst
from condinst import Predictor, Results, list_models
from condinst.deploy import OnnxPredictor, OpenVinoPredictor
from condinst.results import Instance


def sources(predictor: Predictor | OnnxPredictor | OpenVinoPredictor, pixels: NDArray[Any]) -> None:
    assert_type(predictor("photo.jpg"), Results)
    assert_type(predictor(Path("photo.jpg")), Results)
    assert_type(predictor(pixels, score_thr=0.5), Results)
    assert_type(predictor(Image.new("RGB", (4, 4))), Results)
    assert_type(predictor(torch.zeros(3, 4, 5, dtype=torch.uint8)), Results)
    assert_type(predictor(b"\x89PNG"), Results)
    assert_type(predictor(np.zeros((4, 5, 3), np.uint8)), Results)
    with open("photo.jpg", "rb") as file:
        assert_type(predictor(file), Results)
    assert_type(predictor(io.BytesIO()), Results)
    assert_type(predictor(["a.jpg", "b.jpg"]), list[Results])
    assert_type(predictor([pixels, pixels]), list[Results])
    assert_type(predictor(Path().glob("*.jpg")), list[Results])
    assert_type(predictor.stream("film.mp4", score_thr=0.1), Iterator[Results])
    assert_type(predictor.stream([Path("a.jpg")]), Iterator[Results])
    assert_type(predictor.class_names, tuple[str, ...])
    assert_type(predictor.score_thr, float)


def choosing(results: Results) -> Results:
    assert_type(len(results), int)
    assert_type(results[0], Instance)
    largest: Instance = results[results.areas.argmax()]
    print(largest)
    for one in results:
        assert_type(one, Instance)
        assert_type(one.name, str)
        assert_type(one.score, float)
        assert_type(one.label, int)
        assert_type(one.area, int)
        box: NDArray[np.float32] = one.box
        mask: NDArray[np.bool_] = one.mask
        print(box, mask, one.rle, one.polygon)
    assert_type(results["star"], Results)
    assert_type(results["star", "ring"], Results)
    assert_type(results[:5], Results)
    assert_type(results[[0, 2]], Results)
    assert_type(results[results.scores > 0.5], Results)
    stars: Results = results[results.names == "star"]  # numpy says Any for the comparison
    assert_type(results[np.isin(results.names, ["star", "ring"])], Results)
    assert_type(Results.merge([results, results]), Results)
    assert_type(results == results, bool)
    return stars


def arrays(results: Results) -> None:
    boxes: list[NDArray[np.float32]] = [
        results.boxes,
        results.xyxy,
        results.xywh,
        results.cxcywh,
        results.scores,
    ]
    labels: list[NDArray[np.int64]] = [results.labels, results.areas]
    masks: NDArray[np.bool_] = results.masks
    names: NDArray[np.str_] = results.names
    rings: list[list[NDArray[np.float32]]] = results.to_polygons(tolerance=1) + results.polygons
    print(boxes, labels, masks, names, rings)
    assert_type(results.counts, dict[str, int])
    assert_type(results.image_size, tuple[int, int])
    assert_type(results.path, str | None)
    assert_type(results.rles, list[dict[str, Any]])


def outputs(results: Results) -> None:
    drawn: NDArray[np.uint8] = results.draw(score_thr=0.5, boxes=False, names=False, enlarge=False)
    shown: NDArray[np.uint8] = results.plot(drawn)
    assert_type(results.save("drawn.png", shown), Path)
    assert_type(results.show(), None)
    assert_type(results.to_coco(image_id=1), list[dict[str, Any]])
    assert_type(results.to_labelme(), dict[str, Any])
    assert_type(results.to_dict(), dict[str, Any])
    assert_type(results.to_json(indent=2), str)
    assert_type(Results.from_json(results.to_json()), Results)
    assert_type(Results.from_dict(results.to_dict(), ["star"]), Results)
    print(results.to_dataframe().head(), results.to_supervision().xyxy)


def main() -> None:
    print(list_models(), condinst.__version__)
    for model in list_models():
        predictor = Predictor(model, device="cpu", batch_size=2, dtype="bfloat16", tile=512)
        sources(predictor, np.zeros((4, 4, 3), np.uint8))
    sources(OnnxPredictor("model.onnx", threads=1), np.zeros((4, 4), np.uint8))
    sources(OpenVinoPredictor("model.xml", device="CPU"), np.zeros((4, 4, 4), np.uint8))


if __name__ == "__main__":
    main()
