"""What the scripts in tools/ do, as functions."""

__all__: list[str] = []  # a command is started, not imported
