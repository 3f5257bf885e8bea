"""Move all paths of a config to another data root.

A config builds its paths from its top-level ``data_root`` while it is read, so setting that key
afterwards changes nothing: the datasets and the evaluators already hold the joined strings.
"""

from typing import Any

from mmengine.config import Config

__all__ = ["set_data_root"]


def set_data_root(cfg: Config, root: str) -> None:
    """Move every path of ``cfg`` that lies in its ``data_root`` to ``root``, in place.

    Call this for ``--cfg-options data_root=...`` before the other options are merged, so that they
    take precedence. Other paths (``work_dir``, datasets with another root) do not change.

    Raises:
        ValueError: the config has no ``data_root``.
    """
    old = cfg.get("data_root")
    if not isinstance(old, str) or not old:
        raise ValueError(
            f"data_root={root!r} cannot be set: the config {cfg.filename or ''} has no top-level "
            f"data_root that its datasets are built from (found {old!r}); set data_root of each "
            "dataset instead, for example train_dataloader.dataset.data_root"
        )
    folder = old if old.endswith("/") else old + "/"
    new_folder = root if root.endswith("/") else root + "/"

    def moved(value: Any) -> Any:
        if isinstance(value, str):
            if value.rstrip("/") == old.rstrip("/"):
                return new_folder if value.endswith("/") else new_folder[:-1]
            return new_folder + value[len(folder) :] if value.startswith(folder) else value
        if isinstance(value, dict):
            for key in value:
                value[key] = moved(value[key])
            return value
        if isinstance(value, list | tuple):
            return type(value)(moved(item) for item in value)
        return value

    for key in list(cfg.keys()):
        cfg[key] = moved(cfg[key])
