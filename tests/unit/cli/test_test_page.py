"""``condinst test --report``: the page, and the predictions beside it."""

import pytest

from condinst.cli.test_page import check_page


def test_predictions_of_others_are_not_replaced(tmp_path):
    """Without the page, a file of that name is another program's; with it, it is of the page."""
    page, beside = tmp_path / "results.html", tmp_path / "results_predictions.json"
    check_page(page)
    beside.write_text("[]")
    with pytest.raises(ValueError, match="results_predictions.json lies there without that page"):
        check_page(page)
    page.write_text("<html>")
    check_page(page)


def test_a_page_is_an_html_file(tmp_path):
    with pytest.raises(ValueError, match="--report .*results.pdf: the page is an .html file"):
        check_page(tmp_path / "results.pdf")
