"""Reuse of a network's export: with sizes that vary it takes 10 s."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from condinst.export import onnx_model


@contextmanager
def one_export_of_the_network(networks: dict) -> Iterator[None]:
    """Export once for detectors that differ in what is around the network only.

    Args:
        networks: keeps the exports; their weights are compared.
    """

    def reuse(network, **options):
        key = (next(network.parameters()).dtype, *sorted(options.items()))
        if key not in networks:
            weights = {k: v.clone() for k, v in network.state_dict().items()}
            networks[key] = (weights, export(network, **options))
        weights, exported = networks[key]
        assert weights.keys() == network.state_dict().keys()
        assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())
        return copy.deepcopy(exported)

    export = onnx_model.export_network
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_model, "export_network", reuse)
        yield
