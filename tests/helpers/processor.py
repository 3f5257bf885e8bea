"""What the processor of the tests can do; the last bits of floats depend on it."""

import torch

HAS_AVX512 = "AVX512" in torch.backends.cpu.get_cpu_capability()
