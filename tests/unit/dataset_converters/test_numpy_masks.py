"""Masks that numpy saved are read without running pickled code."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data
from condinst.dataset_converters.numpy_masks import is_pickled, read_mask_array

SIZE = 30, 40
FIRST, SECOND = 36, 50  # pixels of the objects of ``labels``


def labels(dtype=np.int32):
    made = np.zeros(SIZE, dtype)
    made[2:8, 3:9] = 1  # 6 x 6
    made[6:11, 20:30] = 2  # 5 x 10
    return made


def stack():
    """Two masks, of which the second covers 10 of 6 x 6 pixels of the first too."""
    made = np.stack([labels() == 1, labels() == 2])
    made[1, 6:8, 4:9] = True
    return made


@pytest.fixture
def data(tmp_path):
    """Return data(array, name), which writes three images and saves the array as each mask."""

    def write(array, masks="masks/{}.npy", images="images/{}.png", save=np.save):
        for seed, name in enumerate("abc"):
            image, mask = (tmp_path / "data" / p.format(name) for p in (images, masks))
            image.parent.mkdir(parents=True, exist_ok=True)
            mask.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
            Image.fromarray(noise).save(image)
            save(mask, array)
        return tmp_path / "data"

    return write


def areas(found):
    return sorted(sorted(int(mask.sum()) for _, _, mask in objects) for objects in found.values())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, ">i4"])
@pytest.mark.parametrize("names", [("masks/{}.npy", "images/{}.png"), ("{}_masks.npy", "{}.png")])
def test_label_maps(data, tmp_path, all_objects, dtype, names):
    imported = import_data(data(labels(dtype), *names), tmp_path / "out")
    assert areas(all_objects(imported)) == [[FIRST, SECOND]] * 3


def test_a_map_in_column_order(data, tmp_path, all_objects):
    folder = data(np.asfortranarray(labels()))
    assert areas(all_objects(import_data(folder, tmp_path / "out"))) == [[FIRST, SECOND]] * 3


@pytest.mark.parametrize(
    "made",
    [
        stack(),
        stack().astype(np.uint8) * 255,
        stack() * np.array([3, 7]).reshape(2, 1, 1),
        np.moveaxis(stack(), 0, 2),
    ],
)
def test_stacks_keep_masks_that_overlap(data, tmp_path, all_objects, note, made):
    imported = import_data(data(made), tmp_path / "out")
    found = all_objects(imported)
    assert areas(found) == [[FIRST, SECOND + 10]] * 3
    for objects in found.values():
        for _, _, mask in objects:
            assert any(np.array_equal(mask, right) for right in stack())
    assert "each mask of a stack is one instance" in note(imported, "Stacks")
    assert not [sentence for sentence in imported.notes if "piece" in sentence]


def test_an_instance_in_two_pieces_stays_one(data, tmp_path, all_objects):
    made = np.stack([labels() > 0, labels() == 2])
    found = all_objects(import_data(data(made), tmp_path / "out"))
    assert areas(found) == [[SECOND, FIRST + SECOND]] * 3


@pytest.mark.parametrize("masks", ["classes", "binary", "class1000"])
def test_stacks_have_instances_only(data, tmp_path, masks):
    with pytest.raises(ValueError, match=f"--masks {masks} does not fit stacks"):
        import_data(data(stack()), tmp_path / "out", masks=masks)


def test_archives(data, tmp_path, all_objects):
    def save(path, array):
        np.savez_compressed(path, masks=array, scores=np.ones(2))

    folder = data(stack(), "masks/{}.npz", save=save)
    assert areas(all_objects(import_data(folder, tmp_path / "out"))) == [[FIRST, SECOND + 10]] * 3
    for name in "abc":
        np.savez(folder / f"masks/{name}.npz", one=labels(), two=labels())
    with pytest.raises(ValueError, match=r"a.npz: it has 2 arrays \(one, two\), expected one"):
        import_data(folder, tmp_path / "two")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((31, 40), int), "an array 31 x 40, expected 30 x 40"),
        (np.zeros((5, 31, 40), bool), "an array 5 x 31 x 40.*a stack N x 30 x 40"),
        (np.zeros((2, 30, 40, 1), bool), "an array 2 x 30 x 40 x 1"),
        (np.array(3), "an array without a shape"),
        (labels() / 3, "expected whole numbers"),
        (-labels(), "expected pixels of 0 or more, got -2"),
        (labels() * 1j, "expected numbers, got complex128"),
        (np.stack([labels(), labels() + 1]), "a stack of 2 with several values in one mask"),
        (np.stack([(labels() > 0) * 255] * 3, 2), "a mask in colors"),
    ],
)
def test_other_arrays_are_refused(data, tmp_path, array, message):
    with pytest.raises(ValueError, match=f"masks/a.npy: {message}"):
        import_data(data(array), tmp_path / "out")


class _Payload:
    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("{}_seg.npy", "{}.png"), "Cellpose's _seg.npy.*Save masks as PNG/tif.*--save_png"),
        (("masks/{}_seg.npy", "images/{}.png"), "Cellpose's _seg.npy.*Save masks as PNG/tif"),
        (("masks/{}.npy", "images/{}.png"), "pickled Python objects, which can run code"),
    ],
)
def test_pickled_objects_are_not_loaded(data, tmp_path, capsys, names, message):
    folder = data(np.array(dict(masks=_Payload()), object), *names)
    with pytest.raises(ValueError, match=message):
        import_data(folder, tmp_path / "out")
    assert capsys.readouterr().out == ""


def test_pickled_files_beside_masks_are_not_in_the_way(data, tmp_path, all_objects, write_png):
    folder = data(np.array(dict(masks=1), object), "{}_seg.npy", "{}.png")
    for name in "abc":
        write_png(folder / f"{name}_cp_masks.png", labels(np.uint16))
    assert areas(all_objects(import_data(folder, tmp_path / "out"))) == [[FIRST, SECOND]] * 3


def _bytes(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_a_header_that_promises_more_is_refused_before_memory_is_taken(tmp_path):
    data = _bytes(np.zeros((30, 40), bool))
    huge = data.replace(b"(30, 40), }" + b" " * 10, b"(900000, 30, 40), }  ")[: len(data)]
    assert huge != data
    for name, content in (("a.npy", huge), ("b.npy", data[:-1]), ("c.npy", b"\x93NUMPY\x01\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"mask file .*{name}: "):
            read_mask_array(tmp_path / name, SIZE)
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("masks.npy", huge)
    with pytest.raises(ValueError, match="its header promises more"):
        read_mask_array(tmp_path / "d.npz", SIZE)
    tall = data.replace(b"(30, 40), }" + b" " * 12, b"(9000000, 30, 40), }   ")[: len(data)]
    (tmp_path / "e.npy").write_bytes(tall)
    with pytest.raises(ValueError, match="larger than 2 GiB"):
        read_mask_array(tmp_path / "e.npy", SIZE)


def test_only_arrays_of_objects_are_pickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", labels())
    (tmp_path / "c.npy").write_bytes(b"no array")
    assert [is_pickled(tmp_path / name) for name in ("a.npy", "b.npy", "c.npy")] == [1, 0, 0]


def test_classes_beside_the_masks_are_not_dropped(data, tmp_path, all_objects):
    def save(path, array, **more):
        np.savez(path, masks=array, **more)

    folder = data(stack(), "masks/{}.npz", save=lambda p, a: save(p, a, scores=np.ones(2)))
    assert len(all_objects(import_data(folder, tmp_path / "out"))) == 3
    data(stack(), "masks/{}.npz", save=lambda p, a: save(p, a, class_ids=np.ones(2)))
    with pytest.raises(ValueError, match="its array class_ids looks like the classes"):
        import_data(folder, tmp_path / "out2")


def test_arrays_in_the_folder_of_images_are_named_with_a_way_out(data, tmp_path):
    folder = data(labels(), "images/{}.npy")
    with pytest.raises(ValueError, match=r"outside a folder of masks.*1_masks.npy has 1.png"):
        import_data(folder, tmp_path / "out")
