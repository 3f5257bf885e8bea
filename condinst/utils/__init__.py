"""What several rooms need of files and names; the standard library and numpy alone."""
