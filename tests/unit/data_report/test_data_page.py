"""Test the page of a dataset; the numbers are counted by hand."""

import csv
import re

import pytest
from broken_data import sound_data, write, write_json

from condinst.data_report import examine, read_source
from condinst.data_report.data_page import write_page


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "set", sound_data())
    return tmp_path / "set"


def make(folder):
    return write_page(folder / "page.html", examine([read_source(str(folder / "ann.json"))]))


def test_it_begins_with_key_numbers(folder):
    data = sound_data()
    data["annotations"][0]["category_id"] = 77
    write_json(folder, data)
    text = make(folder).read_text()
    found = dict(re.findall(r"<div><dt>([^<]*)</dt><dd>([^<]*)</dd>", text))
    assert found["kinds of errors"] == "1"
    assert found["images"] == str(len(data["images"]))
    assert found["objects"] == "3", "of five, one is a crowd and one of an unknown class"
    assert "square root of the mask&#x27;s area" in text
    assert text.index("kinds of errors") < text.index("<h2")


def test_charts_have_words_and_a_table_of_one_dataset_has_no_name_before_each_column(folder):
    text = make(folder).read_text()
    assert re.search(r"<desc [^>]*>[^<]*objects in an image: median ", text)
    with open(folder / "page_data" / "classes.csv", newline="") as file:
        assert next(csv.reader(file)) == ["class", "objects", "images", "crowds", "median size"]
    assert "as it is" in text
    assert "enlarged 1 times" not in text
