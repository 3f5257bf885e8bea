"""The commands of ``condinst`` and of the scripts in ``tools/``."""
