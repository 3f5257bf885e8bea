"""The commands of ``condinst`` and of the scripts in ``tools/``."""

__all__: list[str] = []  # a command is started, not imported
