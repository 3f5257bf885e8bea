"""The page: what is on it, and what happens when a user does something."""

from __future__ import annotations

import html
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from condinst.demo.findings import LEAST_SCORE, Findings, find
from condinst.demo.later import LoadedLater
from condinst.demo.outputs import DOWNLOADS, View, choose, draw, for_display
from condinst.demo.settings import Settings
from condinst.utils.names import printable
from condinst.utils.words import counted, without_error_numbers

__all__ = ["CSS", "build", "theme"]

_SECONDS_OF_STATE = 6 * 3600
_SHOWN_EVERY = 0.5  # seconds between two drawings while many images are predicted

CSS = """
.gradio-container { max-width: 1400px !important; }
#line { min-height: 1.6em; overflow-wrap: anywhere; }
#line .error { color: #b91c1c; font-weight: 600; }
.dark #line .error { color: #fca5a5; }
#shown img { width: 100%; height: auto; max-height: 72vh; object-fit: contain; }
footer { display: none !important; }
"""

# Gradio's own buttons download a file that is there before they are pressed. Here the server writes
# it for the present threshold when one is pressed, and this script then saves it.
_SAVE = """(file) => {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name ?? "";
    link.click();
}"""


def theme() -> gr.themes.Base:
    """Return Gradio's look with the system's fonts: its own come from the web."""
    fonts = ["system-ui", "sans-serif"]
    return gr.themes.Default(font=fonts, font_mono=["ui-monospace", "monospace"])


def build(model: LoadedLater, settings: Settings) -> gr.Blocks:
    """Return the page."""
    handlers = _Handlers(model, settings)
    with gr.Blocks(
        title=f"CondInst: {model.name}", analytics_enabled=False, delete_cache=(3600, 86400)
    ) as page:
        kept = gr.State(None, time_to_live=_SECONDS_OF_STATE, delete_callback=_remove)
        gr.Markdown(f"## CondInst: {html.escape(model.name)}")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                files = gr.File(
                    label="Images, or one video", file_count="multiple", height=150, elem_id="files"
                )
                folder = gr.Button(
                    f"Find in {settings.folder_name}/ ({counted(len(settings.folder), 'file')})",
                    visible=bool(settings.folder),
                    elem_id="folder",
                )
                threshold = gr.Slider(
                    LEAST_SCORE,
                    1,
                    settings.score_thr,
                    step=0.01,
                    label="Score threshold",
                    elem_id="threshold",
                    buttons=[],
                )
                classes = gr.Dropdown(
                    [], value=[], multiselect=True, label="Classes (none: all)", elem_id="classes"
                )
                with gr.Row():
                    boxes = gr.Checkbox(True, label="Boxes", min_width=100, elem_id="boxes")
                    names = gr.Checkbox(True, label="Names", min_width=100, elem_id="names")
            with gr.Column(scale=5, min_width=300):
                line = gr.HTML("", elem_id="line")
                position = gr.Slider(
                    1, 2, 1, step=1, label="Image", visible=False, elem_id="position", buttons=[]
                )
                stop = gr.Button("Stop", visible=False, elem_id="stop", size="sm")
                shown = gr.Image(
                    label="Instances",
                    interactive=False,
                    format="jpeg",
                    elem_id="shown",
                    buttons=["fullscreen"],
                    show_label=False,
                )
                with gr.Row():
                    buttons = {
                        what: gr.Button(
                            f"↓ {what}",
                            interactive=False,
                            size="md",
                            min_width=90,
                            elem_id=what.split()[0].lower(),
                        )
                        for what in DOWNLOADS
                    }
                file = gr.DownloadButton(visible="hidden", elem_id="file")
        view = [threshold, classes, boxes, names]
        every = [line, shown, kept, position, stop, *buttons.values()]
        private: dict[str, Any] = dict(api_visibility="private", show_progress="hidden")

        page.load(handlers.wait, None, [line, classes, names], concurrency_limit=None, **private)
        work = dict(concurrency_limit=1, concurrency_id="predict", trigger_mode="always_last")
        runs = [
            files.change(handlers.find_in_files, [files, kept, *view], every, **work, **private),
            folder.click(handlers.find_in_folder, [kept, *view], every, **work, **private),
        ]
        stopped = stop.click(handlers.stop, [kept], every, cancels=runs, **private)
        again = (handlers.redraw, [kept, position, *view], [line, shown])
        moved = [component.input for component in (position, *view)]
        gr.on(moved, *again, trigger_mode="always_last", concurrency_limit=4, **private)
        for event in (*runs, stopped):  # the user may have moved the threshold meanwhile
            event.success(*again, **private)
        for what, button in buttons.items():
            written = button.click(
                handlers.writer(what), [kept, *view], [line, file], concurrency_limit=2, **private
            )
            written.success(None, [file], None, js=_SAVE, **private)
    return page


class _Handlers:
    """What happens when a user does something; each method returns new values of components."""

    def __init__(self, model: LoadedLater, settings: Settings) -> None:
        self._model, self._settings = model, settings

    def wait(self) -> Iterator[tuple[Any, Any, Any]]:
        """Say that the model is loading, then offer its classes."""
        if self._model.is_loading:
            yield _said("The model is loading …"), gr.skip(), gr.skip()
        try:
            names = list(self._model.get().class_names)
        except ValueError as error:
            yield _failed(error), gr.skip(), gr.skip()
            return
        # the name of a single class says nothing, and hides the objects
        some = gr.Dropdown(choices=names, value=[], visible=len(names) > 1)
        yield _said("Drop images or a video."), some, gr.Checkbox(len(names) > 1)

    def find_in_files(
        self, files: list[str] | None, kept: Findings | None, *view: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Predict the uploaded files."""
        yield from self._find([Path(file) for file in files or []], kept, view)

    def find_in_folder(self, kept: Findings | None, *view: Any) -> Iterator[tuple[Any, ...]]:
        """Predict the files of the folder that the command line names."""
        yield from self._find(self._settings.folder, kept, view)

    def _find(
        self, files: Sequence[Path], kept: Findings | None, view: Sequence[Any]
    ) -> Iterator[tuple[Any, ...]]:
        _remove(kept)
        if not files:
            yield _said(""), None, None, *_controls(None)
            return
        waits = "The model is loading …" if self._model.is_loading else "Finding …"
        yield _said(waits), None, None, *_controls(None, runs=True)
        findings, last = None, 0.0
        try:
            found = find(
                self._model.get(), files, self._settings.workspace, self._settings.max_frames
            )
            for findings, total in found:
                if total > 1 and time.monotonic() - last > _SHOWN_EVERY:
                    drawn = for_display(draw(findings.items[-1], _view(view)))
                    last = time.monotonic()
                    text = f"{len(findings):,} of {total:,}: {findings.items[-1].name}"
                    yield _said(text), drawn, findings, *_controls(None, runs=True)
        except Exception as error:
            yield _failed(error), None, None, *_controls(None)
            return
        yield gr.skip(), gr.skip(), findings, *_controls(findings)

    def stop(self, kept: Findings | None) -> tuple[Any, ...]:
        """End a prediction; what was found so far can be looked at and downloaded."""
        return _said("Stopped."), gr.skip(), gr.skip(), *_controls(kept)

    def redraw(self, kept: Findings | None, position: float, *view: Any) -> tuple[Any, Any]:
        """Draw an image again, without predicting it."""
        if not kept:
            return gr.skip(), gr.skip()
        number = min(max(1, int(position)), len(kept))
        try:
            drawn = for_display(draw(kept.items[number - 1], _view(view)))
        except Exception as error:
            return _failed(error), gr.skip()
        return _said(_summary(kept, number, _view(view))), drawn

    def writer(self, what: str) -> Callable[..., tuple[Any, Any]]:
        """Return what writes a file for the download."""

        def write(kept: Findings | None, *view: Any) -> tuple[Any, Any]:
            if not kept:
                return gr.skip(), gr.skip()
            folder = Path(tempfile.mkdtemp(prefix="files-", dir=self._settings.workspace))
            try:
                path = DOWNLOADS[what](kept, _view(view), folder)
            except Exception as error:
                raise gr.Error(_line(error), print_exception=False) from error
            return _said(f"{path.name}: {path.stat().st_size:,} bytes"), str(path)

        return write


def _controls(findings: Findings | None, runs: bool = False) -> list[Any]:
    """Return the slider of images, the stop button and the download buttons."""
    number = len(findings) if findings else 0
    label = "Frame" if findings and findings.video else "Image"
    position = gr.Slider(1, max(2, number), value=1, label=label, visible=number > 1)
    ready = [gr.Button(interactive=number > 0) for _ in DOWNLOADS]
    return [position, gr.Button(visible=runs), *ready]


def _view(values: Sequence[Any]) -> View:
    threshold, classes, boxes, names = values
    return View(float(threshold), tuple(classes or ()), bool(boxes), bool(names))


def _summary(findings: Findings, number: int, view: View) -> str:
    item = findings.items[number - 1]
    counts = choose(item.results, view).counts
    found = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"
    height, width = item.results.image_size
    text = f"{item.name} ({width} x {height}): {found} · {findings.seconds:.1f} s"
    return "\n".join([text, *(_without_folders(note) for note in findings.notes[:5])])


def _said(text: str) -> str:
    lines = [html.escape(printable(line)) for line in text.split("\n")]
    return f"<div role='status'>{'<br>'.join(lines)}</div>"


def _failed(error: Exception) -> str:
    return f"<div role='alert' class='error'>{html.escape(_line(error))}</div>"


def _line(error: Exception) -> str:
    """Return an error in one line, without the folders of uploads; a bug goes to the log too."""
    text = without_error_numbers(str(error)) or type(error).__name__
    if not isinstance(error, ValueError | OSError | ImportError):
        logging.getLogger("condinst").error("an error of the page", exc_info=error)
        text = f"{type(error).__name__}: {text} (the terminal says more)"
    return printable(_without_folders(" ".join(text.split())))


def _without_folders(text: str) -> str:
    """Shorten the paths of uploads to their names: the folders are the server's."""
    return " ".join(Path(w).name if "condinst-demo-" in w else w for w in text.split(" "))


def _remove(kept: Findings | None) -> None:
    if kept is not None:
        kept.remove()
