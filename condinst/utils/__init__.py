"""What several rooms need of files and names; the standard library and numpy alone."""

__all__: list[str] = []  # for this package alone
