"""What the scripts in tools/ do, as functions."""
