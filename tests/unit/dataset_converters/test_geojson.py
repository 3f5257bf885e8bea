"""Test the reader of GeoJSON, as QuPath exports it."""

import json

import pytest
from two_images import FIRST, HOLE, OTHER, SQUARE, WITH_HOLE, check

from condinst.dataset_converters import import_data


def _feature(kind, coordinates, name, **properties):
    return {
        "type": "Feature",
        "id": "8f1f",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": name, "color": [200, 0, 0]},
            **properties,
        },
    }


@pytest.mark.parametrize("as_list", [True, False])
def test_geojson_of_qupath(tmp_path, two_images, all_objects, note, as_list):
    two_images("{}.tif")
    ring = [*SQUARE, SQUARE[0]]
    features = [
        _feature("Polygon", [ring], "Tumor"),
        _feature("MultiPolygon", [[[*OTHER, OTHER[0]], [*HOLE, HOLE[0]]]], "Stroma"),
        _feature("Point", [5, 5], "Tumor"),
        {"type": "Feature", "geometry": None, "properties": {}},
        {"type": "Feature", "geometry": {"type": "GeometryCollection", "geometries": []}},
        _feature("Polygon", [ring], "Ignore*"),
    ]
    for n in "ab":
        data = features if as_list else {"type": "FeatureCollection", "features": features}
        (tmp_path / f"{n}.geojson").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("Tumor", FIRST), ("Stroma", WITH_HOLE)])
    assert note(imported, "(Point)")
    assert "feature 3" in note(imported, "without a geometry")
    assert note(imported, "ignored class")


def test_geojson_of_a_map_is_refused(tmp_path, two_images):
    two_images()
    data = {"type": "FeatureCollection", "crs": {}, "features": [_feature("Point", [1, 1], "a")]}
    (tmp_path / "a.geojson").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="coordinates of a map"):
        import_data(tmp_path, tmp_path / "out")


def test_degrees_are_named(tmp_path, two_images):
    two_images("{}.tif")
    ring = [[-115.31, 36.1], [-115.3, 36.1], [-115.3, 36.11], [-115.31, 36.1]]
    data = {"type": "FeatureCollection", "features": [_feature("Polygon", [ring], "House")] * 2}
    (tmp_path / "a.geojson").write_text(json.dumps(data))
    with pytest.raises(
        ValueError, match=r"look like degrees .*rasterio\): 2 \(a.geojson, feature 0: \[-115.31"
    ):
        import_data(tmp_path, tmp_path / "out")
