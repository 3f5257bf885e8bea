"""Test the reader of Supervisely's projects."""

import base64
import io
import json
import zlib

from PIL import Image
from two_images import FIRST, HOLE, OTHER, SQUARE, WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def test_supervisely(tmp_path, two_images, all_objects):
    two_images("ds/img/{}.png")
    buffer = io.BytesIO()
    Image.fromarray(WITH_HOLE[20:50, 50:80]).save(buffer, "PNG")
    bitmap = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    (tmp_path / "ds/ann").mkdir()
    for n in "ab":
        objects = [
            dict(
                classTitle="car",
                geometryType="polygon",
                points=dict(exterior=SQUARE, interior=[]),
            ),
            dict(
                classTitle="bus", geometryType="bitmap", bitmap=dict(data=bitmap, origin=[50, 20])
            ),
            dict(
                classTitle="van",
                geometryType="polygon",
                points=dict(exterior=OTHER, interior=[HOLE]),
            ),
        ]
        data = dict(description="", tags=[], size=dict(height=H, width=W), objects=objects)
        (tmp_path / f"ds/ann/{n}.png.json").write_text(json.dumps(data))
    (tmp_path / "meta.json").write_text(json.dumps({"classes": [{"title": "car"}], "tags": []}))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE), ("van", WITH_HOLE)])
