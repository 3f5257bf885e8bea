"""Read XML files safely: without entities and document types, and limited in size."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from condinst.dataset_converters.folder import read_text
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["child_text", "number", "read_xml", "xml_root_name"]

_MAX_XML = 1 << 28  # characters
_ROOT = re.compile(rb"<(?![?!])\s*([A-Za-z_][\w.:-]*)")


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root element of a file.

    A document type is refused: only it can define entities, which may expand without limit or read
    other files.

    Raises:
        ValueError: the file is missing, too large or not XML; the message names it.
    """
    text = read_text(path)
    if len(text) > _MAX_XML:
        raise ValueError(f"{path}: expected XML of at most {_MAX_XML >> 20} million characters")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"{path}: XML with a document type (<!DOCTYPE>) is not read; remove it")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not XML: {error}") from None


def xml_root_name(path: Path) -> str:
    """Return the name of a file's first element, from its beginning; empty without one."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with open(path, "rb") as file:
            text = file.read(4096)
    except OSError:
        return ""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text.decode("utf-16", "replace").encode()
    match = _ROOT.search(re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL))
    return match[1].decode() if match else ""


def child_text(element: ElementTree.Element, name: str) -> str:
    """Return the stripped text of a child; empty without one."""
    child = element.find(name)
    return ((child.text if child is not None else None) or "").strip()


def number(text: str | None, where: str) -> float:
    """Return a number of an attribute or element.

    Raises:
        ValueError: the text is not a number; the message begins with ``where``.
    """
    try:
        return float(text if text is not None and len(text) < 100 else "")
    except ValueError:
        raise ValueError(f"{where}: expected a number, got {short_repr(text)}") from None
