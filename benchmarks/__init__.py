"""Ours and mmdet's CondInst side by side: what ``tools/benchmark.py`` runs."""
