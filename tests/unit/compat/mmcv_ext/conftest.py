"""The devices that the stand-in's operators are tested on."""

import pytest
import torch


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    torch.manual_seed(0)
    return request.param
