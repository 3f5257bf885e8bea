"""Say why an optional package cannot be imported."""

from __future__ import annotations

__all__ = ["import_failure"]


def import_failure(use: str, module: str, remedy: str, error: ImportError) -> ImportError:
    """Return the error to raise where importing an optional package failed.

    A package may be installed and lack one of its own packages, or a library of the system. Then
    the message is that of the import, as installing the package again would not help.

    Args:
        use: what needs the package, and its name, such as "videos need OpenCV".
        module: the module that was imported.
        remedy: what to do if the package is missing, such as "pip install opencv-python".
        error: the failure.
    """
    missing = (error.name or "").partition(".")[0] == module.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and missing:
        return ImportError(f"{use}: {remedy}", name=error.name)
    return ImportError(f"{use}, which is installed and cannot be imported: {error}")
