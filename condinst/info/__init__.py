"""Count a model's parameters and operations, and measure its memory."""

from condinst.info.counts import Flops, PartSize, count_flops, count_parameters
from condinst.info.memory import Memory, measure_memory

__all__ = [
    "Flops",
    "Memory",
    "PartSize",
    "count_flops",
    "count_parameters",
    "measure_memory",
]
