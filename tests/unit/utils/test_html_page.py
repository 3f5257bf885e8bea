"""Reports as one HTML file."""

import base64
import csv
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from condinst.utils.html_page import HtmlPage
from condinst.utils.html_style import NUM_COLORS, STYLE


class _Reader(HTMLParser):
    """The text of a page, its tags with their attributes, and whether they nest."""

    _VOID = frozenset({"meta", "img", "path", "use", "br", "link"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self._VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def _figure():
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0.5, 0.25], marker="o")
    return figure


@pytest.fixture
def written(tmp_path):
    page = HtmlPage("cats & <dogs>")
    page.heading("What there is")
    page.paragraph("a <script>alert(1)</script> class", status="warning")
    page.table(["class", "images", "AP"], [["<b>", 1200, 0.12345], ["x", 0, None]], name="t")
    page.figure(_figure(), "first", name="one", columns=["x", "y"], rows=[[0, 0.5], [1, 0.25]])
    page.figure(_figure(), "second", name="two", columns=["x"], rows=[[0]])
    page.images([(np.full((40, 4000, 3), 200, np.uint8), 'a "wide" one')])
    return page.write(tmp_path / "deep" / "report.html")


def test_text_stays_text(written):
    read = _Reader(written.read_text())
    assert not [tag for tag, _ in read.tags if tag in ("b", "dogs")]
    assert sum(tag == "script" for tag, _ in read.tags) == 1, "the page's own, with its hash"
    assert "cats & <dogs>" in read.text
    assert "a <script>alert(1)</script> class" in read.text


def test_nothing_is_fetched_and_small_numbers_are_in_the_page(written):
    read = _Reader(written.read_text())
    targets = [a[k] for _, a in read.tags for k in ("href", "src", "xlink:href") if k in a]
    assert all(t.startswith(("#", "data:image/jpeg;base64,", "data:text/csv;")) for t in targets)
    saved = {
        a["download"]: a["href"].partition("base64,")[2] for _, a in read.tags if "download" in a
    }
    assert sorted(saved) == ["one.csv", "t.csv", "two.csv"]
    for name, data in saved.items():
        assert base64.b64decode(data) == (written.parent / "report_data" / name).read_bytes()
    assert "Links that begin with its name" not in read.text


def test_the_page_says_that_large_numbers_are_beside_it(tmp_path):
    page = HtmlPage("large")
    page.data(["n"], [[i] for i in range(20_000)], name="many")
    read = _Reader(page.write(tmp_path / "a b.html").read_text())
    (link,) = [a["href"] for tag, a in read.tags if tag == "a"]
    assert link == "a%20b_data/many.csv"
    assert (tmp_path / "a b_data" / "many.csv").is_file()
    assert "Links that begin with its name need that folder" in read.text


def test_only_the_page_s_script_may_run(written):
    """The policy lets only a script with this hash run, and lets nothing be fetched."""
    text = written.read_text()
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_contents_and_texts_for_screen_readers(tmp_path):
    page = HtmlPage("parts")
    page.heading("One & two")
    page.heading("One & two")
    with page.side_by_side():
        page.figure(
            _figure(), "AP", name="f", columns=["x"], rows=[[0]], text="falls to 0.25 <at> 1"
        )
    page.images([([("truth (1)", np.zeros((9, 9, 3), np.uint8))], "a.jpg")])
    read = _Reader(page.write(tmp_path / "p.html").read_text())
    ids = [a["id"] for tag, a in read.tags if tag == "h2"]
    assert len(set(ids)) == 2
    links = [a["href"] for tag, a in read.tags if tag == "a"]
    assert [f"#{name}" for name in ids] == links[:2]
    (svg,) = [a for tag, a in read.tags if tag == "svg"]
    assert svg["role"] == "img"
    named = svg["aria-labelledby"].split()
    assert [tag for tag, a in read.tags if a.get("id") in named] == ["title", "desc"]
    assert "falls to 0.25 <at> 1" in read.text
    (image,) = [a for tag, a in read.tags if tag == "img"]
    assert image["alt"] == "truth (1): a.jpg"
    assert "loading" not in image, "a PDF would lack it"


def _luminance(color):
    """Return the relative luminance of WCAG 2.2."""
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_known_values():
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind(scheme):
    light, dark = re.findall(r":root \{([^}]*)\}", STYLE)
    colors = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", dark if scheme == "dark" else light))
    for back in ("back", "soft"):
        for name in ("text", "muted", "link", "ok", "warning", "error"):
            assert _contrast(colors[name], colors[back]) >= 4.5, (name, back)
    assert _contrast(colors["text"], colors["bar"]) >= 4.5
    for index in range(NUM_COLORS):
        assert _contrast(colors[f"c{index}"], colors["back"]) >= 3, index
    assert not re.findall(r"[^-]color: (#[0-9a-f]+)", STYLE), "a color that is no variable"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (375.0, "375.0"),
        (0.12345, "0.123"),
        (12.3456, "12.35"),
        (123456.7, "123,457"),
        (-0.5, "-0.500"),
    ],
)
def test_digits_follow_the_size_of_a_number(tmp_path, value, expected):
    page = HtmlPage("digits")
    page.table(["x"], [[value]])
    assert f'<td class="number">{expected}</td>' in page.write(tmp_path / "d.html").read_text()


def test_two_figures_do_not_share_ids(written):
    text = written.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used
    assert used <= set(ids)


def test_numbers_are_rounded_on_the_page_only(written):
    text = written.read_text()
    assert '<td class="number">1,200</td><td class="number">0.123</td>' in text
    with open(written.parent / "report_data" / "t.csv", newline="") as file:
        assert list(csv.reader(file))[1:] == [["<b>", "1200", "0.12345"], ["x", "0", ""]]


def test_a_page_that_cannot_be_written_leaves_the_old_one(written, monkeypatch):
    before = written.read_text()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        HtmlPage("new").write(written)
    assert written.read_text() == before


def test_long_tables_are_cut_off_on_the_page_only(tmp_path):
    page = HtmlPage("long")
    page.heading("Part", level=3)
    page.table(["number"], [[i] for i in range(1000)], name="numbers", max_rows=3)
    page.data(["place"], [["somewhere"]], name="places")
    read = _Reader(page.write(tmp_path / "long.html").read_text())
    assert ("h3", {"id": "part"}) in read.tags
    assert sum(tag == "td" for tag, _ in read.tags) == 3
    assert "and 997 more" in read.text
    assert "somewhere" not in read.text
    assert "places.csv" in read.text
    folder = tmp_path / "long_data"
    assert len((folder / "numbers.csv").read_text().splitlines()) == 1001
    assert (folder / "places.csv").read_text() == "place\nsomewhere\n"


def test_a_link_in_the_place_of_the_data_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "t.csv").write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a_data").symlink_to(outside)
    page = HtmlPage("title")
    page.table(["name"], [["of no encoding: a\udcff"]], name="t")
    page.write(folder / "a.html")
    assert (outside / "t.csv").read_text() == "mine"
    assert (folder / "a_data" / "t.csv").read_text("utf-8") == "name\nof no encoding: a\\udcff\n"


def test_a_bar_is_a_fraction_of_the_whole_where_one_is_given(tmp_path):
    page = HtmlPage("bars")
    page.table(["class", "AP"], [["a", 0.2], ["b", 0.4]], bars=[1], full=1)
    page.table(["class", "gain"], [["a", 0.2], ["b", 0.4]], bars=[1])
    text = page.write(tmp_path / "page.html").read_text()
    assert re.findall(r"--f:([\d.]+)", text.partition("<body>")[2]) == ["0.2", "0.4", "0.5", "1"]


def test_whole_numbers_of_objects_have_no_places():
    from condinst.data_report.page_statistics import _whole
    from condinst.utils.html_parts import table_cell

    shown = [table_cell(_whole(value), 2) for value in (6.0, 6.5, 0.0, None)]
    assert [re.sub("<.*?>", "", cell) for cell in shown] == ["6", "6.50", "0", "-"]
