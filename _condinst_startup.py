"""Offer the stand-ins of ``condinst.compat`` from the start of Python.

Python's ``site`` runs the line of ``condinst.pth`` in every process of the environment, and that
line imports this module. Both files lie beside the package in site-packages. Programs that import
mmdet before condinst, such as mmdet's own ``tools/test.py``, thus find ``mmcv._ext``.

The module is quick: it runs ``condinst/compat/finder.py`` by its path, and imports neither the
package nor PyTorch. It does nothing where the package is gone, such as the checkout of an editable
installation. The line looks for this module first, because an ImportError in a ``.pth`` file would
be printed whenever Python starts.
"""

import importlib.util
import os.path


def install_finder() -> None:
    """Run ``finder.install()`` of the installed condinst, if there is one."""
    package = importlib.util.find_spec("condinst")
    if package is None or package.origin is None:  # None: a folder without __init__.py
        return
    file = os.path.join(os.path.dirname(package.origin), "compat", "finder.py")
    if not os.path.isfile(file):
        return
    spec = importlib.util.spec_from_file_location("_condinst_finder", file)
    assert spec is not None
    assert spec.loader is not None
    finder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(finder)
    finder.install()


install_finder()
