"""The class that a ``type`` of a config names, and the arguments that it takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmengine.registry import FUNCTIONS, Registry

from condinst import registry
from condinst.config.problem import near


class Arguments(NamedTuple):
    """What a class or function can be called with.

    Attributes:
        names: of the arguments that are written down.
        required: those without a default.
        is_open: whether it takes others, too (``**kwargs`` that it may look into itself).
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    is_open: bool


def registries() -> dict[str, Registry]:
    """Every registry that a config can name classes of, by the name it has in our module."""
    return {name: getattr(registry, name) for name in registry.__all__} | {"FUNCTIONS": FUNCTIONS}


def find_class(name: str, first: str | None, *, only: bool = False) -> Callable | None:
    """The class or function of a name, as the current default scope knows it.

    Args:
        name: with or without a scope.
        first: the registry to ask first; the others follow, unless it is ``only`` this one.
    """
    known = registries()
    order = [first] if first else []
    if not only:
        order += [other for other in known if other != first]
    for each in order:
        if each == "FUNCTIONS":  # has no children, of which mmengine complains
            found = FUNCTIONS.get(name)
        else:
            with known[each].switch_scope_and_registry(None) as table:
                found = table.get(name)
        if found is not None:
            return found
    return None


def similar_class(name: str, first: str | None) -> str | None:
    """The registered name that was probably meant."""
    table: Registry | None
    names: set[str] = set()
    for each, each_table in registries().items():
        if first in (None, each):
            table = each_table
            while table is not None:
                names.update(table.module_dict)
                table = table.parent
    return near(name.rpartition(".")[2], names)


@functools.cache
def arguments_of(called: Callable) -> Arguments:
    """The arguments of a class, with those that its ``**kwargs`` hand to the classes above."""
    names: dict[str, bool] = {}  # name -> required
    passes_on = False
    for signature in _signatures(called):
        kinds = [p.kind for p in signature.parameters.values()]
        for p in signature.parameters.values():
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                names.setdefault(p.name, p.default is p.empty)
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
        passes_on = True
    else:
        passes_on = True
    required = [name for name, is_required in names.items() if is_required]
    # what is handed on may be set on the way
    return Arguments(tuple(names), () if passes_on else tuple(required), passes_on)


def _signatures(called: Callable) -> Iterator[inspect.Signature]:
    try:
        if not inspect.isclass(called):
            yield inspect.signature(called)
            return
        for each in called.__mro__:
            if "__init__" in vars(each) and each is not object:
                signature = inspect.signature(vars(each)["__init__"])
                rest: list[Any] = list(signature.parameters.values())[1:]
                yield signature.replace(parameters=rest)
        if all("__init__" not in vars(each) for each in called.__mro__[:-1]):
            yield inspect.Signature()
    except (TypeError, ValueError):  # written in C
        return
