"""What a model weighs: parameters, arithmetic, memory."""

from .counts import Flops, PartSize, count_flops, count_parameters
from .memory import Memory, measure_memory

__all__ = [
    "Flops",
    "Memory",
    "PartSize",
    "count_flops",
    "count_parameters",
    "measure_memory",
]
