"""Measure ours beside mmdet's CondInst; see --help."""

from condinst.cli import benchmark, common

if __name__ == "__main__":
    common.run(benchmark.main)
