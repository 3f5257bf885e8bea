"""Benchmarks that compare this package with mmdet's CondInst; ``tools/benchmark.py`` runs them."""
