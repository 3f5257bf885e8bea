"""Find the class that a config's ``type`` names, and the arguments that it accepts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmengine.registry import FUNCTIONS, DefaultScope, Registry

from condinst import registry
from condinst.config.problem import near


class Arguments(NamedTuple):
    """The arguments that a class or function accepts.

    Attributes:
        names: names of its declared arguments.
        required: names of those without a default.
        is_open: whether it accepts any other keyword (``**kwargs``).
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    is_open: bool


def registries() -> dict[str, Registry]:
    """Return every registry whose classes a config can name, by its name in our module."""
    return {name: getattr(registry, name) for name in registry.__all__} | {"FUNCTIONS": FUNCTIONS}


def find_class(name: str, first: str | None, *, only: bool = False) -> Callable | None:
    """Return the class or function of a name in the current default scope, None if there is none.

    Args:
        name: with or without a scope.
        first: the registry to search first.
        only: whether to search no other registry.
    """
    known = registries()
    order = [first] if first else []
    if not only:
        order += [other for other in known if other != first]
    for each in order:
        if each == "FUNCTIONS":  # it has no children, for which mmengine would warn
            found = FUNCTIONS.get(name)
        else:
            with known[each].switch_scope_and_registry(None) as table:
                found = table.get(name)
        if found is not None:
            return found
    return None


def registered_name(found: Any, scope: str | None) -> str | None:
    """Return the name by which a config can name a class or function; None if it has none.

    Args:
        found: what a config of the new style has imported.
        scope: the config's ``default_scope``. A name that it does not resolve to this class gets
            the scope of its registry.
    """
    for table in registries().values():
        registry: Registry | None = table
        while registry is not None:
            for name, known in registry.module_dict.items():
                if known is found:
                    with DefaultScope.overwrite_default_scope(scope):
                        is_bare = scope is not None and find_class(name, None) is found
                    return name if is_bare else f"{registry.scope}.{name}"
            registry = registry.parent
    return None


def similar_class(name: str, first: str | None) -> str | None:
    """Return the registered name that was probably meant, None if none is close."""
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
    """Return the arguments of a class, with those that ``**kwargs`` passes to its base classes."""
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
    # an argument that is passed on may be set by a derived class
    return Arguments(tuple(names), () if passes_on else tuple(required), passes_on)


def default_of(called: Any, name: str) -> Any:
    """Return the default of an argument; None where there is no such argument or default."""
    for signature in _signatures(called) if callable(called) else ():
        if name in signature.parameters:
            default = signature.parameters[name].default
            return None if default is inspect.Parameter.empty else default
    return None


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
