"""Results on their image: arrays, files, notebooks, windows."""

import base64
import io
import re
import sys
import types

import numpy as np
import pytest
from PIL import Image, ImageShow
from three_instances import SIZE, make_results

GRAY = np.full((*SIZE, 3), 90, np.uint8)


def test_saving_draws_on_the_image(tmp_path):
    image = np.full((*SIZE, 3), 90, np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    results, _ = make_results(path=tmp_path / "a.png")
    drawn = np.asarray(Image.open(results.save(tmp_path / "deep" / "b.png")))
    assert drawn.shape == (360, 480, 3)  # 6 times as large
    assert (drawn[13 * 6, 15 * 6] != 90).any()  # in the first mask
    assert (drawn[25 * 6, 75 * 6] != 90).any()  # in the second
    assert (drawn[50 * 6, 40 * 6] != 90).any()  # in the third
    plain = dict(names=False, enlarge=False)
    good = np.asarray(Image.open(results.save(tmp_path / "c.png", score_thr=0.6, **plain)))
    assert good.shape == image.shape
    assert (good[13, 15] != 90).any()
    assert (good[25, 75] == 90).all()
    other = results.draw(np.zeros((*SIZE, 3), np.uint8))
    assert (other[359, 0] == 0).all()


def test_saving_spares_the_image_itself(tmp_path):
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    results, _ = make_results(path=tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: this is the image itself"):
        results.save(tmp_path / "." / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_image_that_is_not_there_or_another(tmp_path):
    results, _ = make_results()
    with pytest.raises(ValueError, match="pass image="):
        results.draw()
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    results, _ = make_results(path=tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: the image is 50 x 40 .*expected 80 x 60"):
        results.draw()
    results, _ = make_results(path=tmp_path / "none.png")
    with pytest.raises(FileNotFoundError, match="image file not found"):
        results.draw()


def test_an_image_is_turned_as_the_results_are(tmp_path):
    pixels = np.zeros((80, 60, 3), np.uint8)
    pixels[:10] = 200  # the upper edge of the stored image: the right one when turned
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    results, _ = make_results(path=tmp_path / "a.png")
    assert (results.read_image()[:, 70:] == 200).all()
    assert (results.read_image()[:, :70] == 0).all()


def test_sixteen_bits_are_shown_stretched(tmp_path):
    """Of 12-bit images in 16 bits, the upper byte alone would be black."""
    values = np.linspace(1000, 4000, SIZE[1]).astype(np.uint16) * np.ones((SIZE[0], 1), np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    results, _ = make_results(path=tmp_path / "a.png")
    shown = results.read_image()
    assert shown.dtype == np.uint8
    assert (shown[:, 0] == 0).all()
    assert (shown[:, -1] == 255).all()
    assert abs(int(shown[0, SIZE[1] // 2, 0]) - 128) <= 2

    Image.fromarray(np.full(SIZE, 0x7FFF, np.uint16)).save(tmp_path / "a.png")
    assert (results.read_image() == 0x7F).all()  # nothing to stretch: the upper byte


def test_only_names_enlarge_a_small_image():
    results, _ = make_results(image=GRAY)
    assert results.draw().shape == (360, 480, 3)
    assert results.draw(names=False).shape == results.draw(enlarge=False).shape == (60, 80, 3)
    assert np.array_equal(results.plot(boxes=False), results.draw(boxes=False))
    large, _ = make_results(image_size=(480, 300), image=np.zeros((480, 300, 3), np.uint8))
    assert large.draw().shape == (480, 300, 3)
    one, _ = make_results(num=0, image_size=(1, 1), image=np.full((1, 1, 3), 7, np.uint8))
    assert (one.draw() == 7).all()


def test_drawing_on_another_image():
    results, _ = make_results()
    on_colors = results.draw(GRAY)
    assert np.array_equal(results.draw(GRAY[:, :, 0]), on_colors)
    assert np.array_equal(results.draw(Image.fromarray(GRAY)), on_colors)
    with pytest.raises(ValueError, match=r"^image=<ndarray of shape \(5, 5, 3\)>: expected"):
        results.draw(np.zeros((5, 5, 3), np.uint8))


@pytest.mark.parametrize("score_thr", [30, -0.1, float("nan"), "high", True])
def test_thresholds_outside_the_scores(score_thr):
    results, _ = make_results(image=GRAY)
    with pytest.raises(ValueError, match=r"score_thr=.*: expected a number from 0 to 1"):
        results.draw(score_thr=score_thr)


def test_a_notebook_shows_the_drawing_and_a_table():
    results, _ = make_results(image=GRAY, class_names=("cat", "<b>dog"))
    shown = np.asarray(Image.open(io.BytesIO(results._repr_png_())))
    assert np.array_equal(shown, results.draw())
    page = results._repr_html_()
    assert "&lt;b&gt;dog</td><td>0.90</td><td>10, 5, 40, 15</td><td>270</td>" in page
    assert "<b>" not in page
    assert "<style" not in page  # it would change the rest of the notebook
    (data,) = re.findall('data:image/jpeg;base64,([^"]+)', page)
    jpeg = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert np.abs(jpeg - results.draw()).mean() < 5


def test_a_notebook_shows_large_results_small(tmp_path):
    image = np.zeros((200, 4000, 3), np.uint8)
    many, _ = make_results(image_size=(200, 4000), image=image)
    many = many[[0, 1, 2] * 10]
    assert Image.open(io.BytesIO(many._repr_png_())).size == (1024, 51)
    assert many._repr_html_().count("<tr>") == 1 + 10
    assert "and 20 more" in many._repr_html_()
    gone, _ = make_results(path=tmp_path / "gone.png")
    assert gone._repr_png_() is None
    assert "<img" not in gone._repr_html_()
    assert gone._repr_html_().count("<tr>") == 4


def test_showing_without_a_window(monkeypatch, capfd):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match=r"^there is no window here .*; save\(\) writes a file$"):
        make_results(image=GRAY)[0].show()
    assert capfd.readouterr() == ("", "")  # xdg-open would print seven lines


@pytest.mark.parametrize("method", ["draw", "plot", "save", "show"])
def test_misspelt_arguments_have_public_names(method):
    name = method.replace("plot", "draw")
    path = ("x.png",) if method == "save" else ()
    results, _ = make_results(image=GRAY)
    message = rf"^Results.{name}: no argument 'score_th'; did you mean score_thr\?$"
    with pytest.raises(TypeError, match=message):
        getattr(results, method)(*path, score_th=0.2)
    with pytest.raises(TypeError, match=rf"^Results.{name}\(\) takes from "):
        getattr(results, method)(*path, GRAY, 0.2)


def test_showing_in_a_window(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    results, _ = make_results(image=GRAY)
    shown = []
    monkeypatch.setattr(ImageShow, "show", lambda image: shown.append(image) or True)
    results.show(boxes=False)
    assert np.array_equal(np.asarray(shown[0]), results.draw(boxes=False))
    monkeypatch.setattr(ImageShow, "show", lambda image: False)
    with pytest.raises(RuntimeError, match="no program to show images was found; save"):
        results.show()


def test_showing_in_a_notebook(monkeypatch):
    results, _ = make_results(image=GRAY)
    shown = []
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=None)
    display = types.ModuleType("IPython.display")
    display.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    results.show()
    assert np.array_equal(np.asarray(shown[0]), results.draw())


@pytest.mark.parametrize("path", [3, None, b"a.png", "", GRAY, "a", "a.txt"])
def test_what_is_no_file_to_write(path):
    kind = ValueError if isinstance(path, str) else TypeError
    with pytest.raises(kind, match=r"^path=.*: expected the name of an image file to write, such"):
        make_results()[0].save(path)


@pytest.mark.parametrize("image", [3, "a.png", GRAY[0, 0], GRAY[:3], [["a"]]])
def test_what_is_no_image_to_draw_on(image):
    message = r"^image=.*: expected the pixels of the image, \(60, 80, 3\) uint8 RGB$"
    with pytest.raises((TypeError, ValueError), match=message):
        make_results()[0].draw(image)
