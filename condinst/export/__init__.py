"""Detectors as files that run without PyTorch."""
