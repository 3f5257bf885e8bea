"""Helpers for files, names, memory and pages that several packages share."""
