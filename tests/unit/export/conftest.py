"""The small detector, built once, and its network, exported once."""

import pytest
from one_export import one_export_of_the_network
from small_detector import small_detector


@pytest.fixture(scope="session")
def detector():
    return small_detector()


@pytest.fixture(scope="session")
def networks():
    """The exports that ``same_network`` reuses."""
    return {}


@pytest.fixture
def same_network(networks):
    """For detectors that differ in what is around the network only."""
    with one_export_of_the_network(networks):
        yield
