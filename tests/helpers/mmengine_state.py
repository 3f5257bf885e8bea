"""What mmengine keeps by name for a whole process: loggers, scopes, visualizers and the like."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def own_state() -> Iterator[None]:
    """Forget what a run in the block leaves in mmengine's globals."""
    before = {manager: manager._instance_dict.copy() for manager in _managers()}
    try:
        yield
    finally:
        for manager in _managers():
            kept = before.get(manager, {})
            for name, instance in manager._instance_dict.items():
                for handler in getattr(instance, "handlers", ()) if name not in kept else ():
                    with contextlib.suppress(OSError):  # its disk may be full
                        handler.close()
            for logger in kept.values():  # logging.disable forgets what it told loggers of its own
                getattr(logger, "_cache", {}).clear()
            manager._instance_dict.clear()
            manager._instance_dict.update(kept)


def _managers() -> list[type]:
    """Return the classes whose instances have names; each keeps its own, a subclass too."""
    # subclasses of ManagerMixin that are imported later are found at the end
    from mmengine.logging import MessageHub, MMLogger  # noqa: F401
    from mmengine.registry import DefaultScope  # noqa: F401
    from mmengine.utils import ManagerMixin
    from mmengine.visualization import Visualizer  # noqa: F401

    found, todo = [], ManagerMixin.__subclasses__()
    while todo:
        manager = todo.pop()
        found.append(manager)
        todo += manager.__subclasses__()
    return found
