"""A change that is not meant to change a graph does not."""

import json

import pytest

from tests.runtime.graph_digests import FILE, NAMES, digests


@pytest.mark.parametrize("name", NAMES)
def test_float_graphs_are_what_they_were(name: str) -> None:
    assert digests(name) == json.loads(FILE.read_text())[name], (
        "where this is meant: python -m tests.runtime.graph_digests"
    )
