"""Reports as one HTML file."""

import csv
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from condinst.utils.html_page import HtmlPage


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
    assert not [tag for tag, _ in read.tags if tag in ("script", "b", "dogs")]
    assert "cats & <dogs>" in read.text
    assert "a <script>alert(1)</script> class" in read.text


def test_nothing_is_fetched_and_every_link_leads_to_a_file(written):
    read = _Reader(written.read_text())
    targets = [a[k] for _, a in read.tags for k in ("href", "src", "xlink:href") if k in a]
    files = [t for t in targets if not t.startswith(("#", "data:image/jpeg;base64,"))]
    assert files == ["report_data/t.csv", "report_data/one.csv", "report_data/two.csv"]
    assert all((written.parent / name).is_file() for name in files)


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
