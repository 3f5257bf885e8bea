"""The small detector, built once."""

import pytest
from small_detector import small_detector


@pytest.fixture(scope="session")
def detector():
    return small_detector()
