"""Names of packages that are imported when they are used."""

import importlib
import pkgutil

import pytest

import condinst
from condinst.utils.lazy import lazy_names


def test_a_name_is_taken_from_its_module():
    names = lazy_names("condinst.utils", {"printable": "names", "Crop": "condinst.masks.crop"})
    assert names("printable")("a\n") == "a\\n"
    assert names("Crop").__module__ == "condinst.masks.crop"
    with pytest.raises(AttributeError, match="'condinst.utils' has no attribute 'x'"):
        names("x")


def test_a_module_must_not_hide_a_name():
    with pytest.raises(ValueError, match="the module make would hide the name make"):
        lazy_names("condinst.new", {"make": "make"})


def test_every_public_name_can_be_imported_after_every_module():
    packages = [m.name for m in pkgutil.iter_modules(condinst.__path__) if m.ispkg]
    for package in (importlib.import_module(f"condinst.{name}") for name in packages):
        modules = {m.name for m in pkgutil.iter_modules(package.__path__)}
        public = set(getattr(package, "__all__", ()))
        assert not {name for name in public & modules if callable(getattr(package, name))}
