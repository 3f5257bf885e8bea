"""The progress of a download, as a user sees it."""

import io
import re

from condinst.model_zoo.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line_that_renews_itself():
    stream = Terminal()
    progress = Progress("file.pth", 0, 2_000_000, stream)
    progress.last -= 1
    progress.update(500_000)
    progress.update(600_000)  # too soon after the last to be shown
    progress.close(2_000_000)
    text = stream.getvalue()
    assert re.search(r"\rfile.pth +25% of 2\.0 MB +[\d.]+ MB/s", text)
    assert "30%" not in text
    assert re.search(r"\rfile.pth +100% of 2\.0 MB[^\r]*\n$", text)
    assert text.count("\n") == 1


def test_progress_of_a_rest(capsys):
    progress = Progress("file.pth", 500_000, None)
    progress.update(700_000)
    progress.close(700_000)
    expected = "downloading file.pth (size unknown, the first 0.5 MB are there)\n"
    assert capsys.readouterr().err == expected
