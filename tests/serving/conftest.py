"""One artifact and one server for the tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import leannet
from leannet.artifact import export
from leannet.checkpoint import save
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from tests.conftest import lively
from tests.serving.client import Running, running


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of an untrained network, whose weights all matter."""
    folder = tmp_path_factory.mktemp("artifact")
    network = lively(leannet.create("mobilenet_v3_debug", classes=3))
    preprocessing = Preprocessing(height=32, width=32)
    save(
        folder / "net.safetensors",
        network,
        Header(architecture=network.architecture, classes=("ape", 'b"e\\e', "çat"), preprocessing=preprocessing),
    )
    return export(folder / "net.safetensors").path


@pytest.fixture(scope="module")
def small(artifact: Path) -> Iterator[Running]:
    with running(artifact) as server:
        yield server
