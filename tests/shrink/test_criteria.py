"""Scores against what they are by definition, computed another way."""

import numpy as np
import pytest
import torch

from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.rows.channels import channels
from leannet.shrink.criteria import score
from leannet.training.objective import CrossEntropy
from leannet.zoo import FAMILIES, architecture
from tests.conftest import lively


def _network(name: str) -> Network:
    torch.manual_seed(3)
    return lively(build(architecture(name))).eval()


def _batches(network: Network, number: int = 2) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shape = network.architecture.input.shape
    return [
        (torch.randn(4, *shape, generator=generator), torch.randint(0, 10, (4,), generator=generator))
        for _ in range(number)
    ]


def test_filters_norms_and_distances() -> None:
    network = _network("vgg_debug")  # no batch norm, no ties
    tied = channels(network.architecture)
    weight = network.state_dict()["conv1_1.conv.weight"].double().flatten(1)
    groups = tied.written["conv1_1"]
    l1 = weight.abs().sum(dim=1)
    np.testing.assert_allclose(score(network, tied, "l1")[groups], l1 / l1.mean(), rtol=1e-6)
    l2 = weight.norm(dim=1)
    np.testing.assert_allclose(score(network, tied, "l2")[groups], l2 / l2.mean(), rtol=1e-6)
    distances = torch.stack([sum(((a - b) ** 2).sum().sqrt() for b in weight) for a in weight])  # type: ignore[misc]  # sum may be of nothing
    np.testing.assert_allclose(
        score(network, tied, "geometric_median")[groups], distances / distances.mean(), rtol=1e-5
    )


def test_a_tied_channel_has_the_mean_of_its_layers() -> None:
    network = _network("cifar_resnet20")
    tied = channels(network.architecture)
    state = network.state_dict()
    group = int(tied.written["conv1"][5])
    scales = []
    for path, channel in tied.makers[group]:
        values = state[f"{path}.norm.weight"].abs()
        scales.append(float(values[channel] / values.mean()))
    assert score(network, tied, "bn_scale")[group] == pytest.approx(np.mean(scales), rel=1e-5)


def test_activations_are_those_that_the_network_computes() -> None:
    network = _network("vgg_debug")
    tied = channels(network.architecture)
    batches = _batches(network)
    outputs = []
    handle = network.layer("conv1_1").register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    with torch.no_grad():
        for images, _ in batches:
            network(images)
    handle.remove()
    values = torch.cat(outputs)
    groups = tied.written["conv1_1"]
    mean = values.abs().mean(dim=(0, 2, 3)).double()
    np.testing.assert_allclose(score(network, tied, "activation", batches)[groups], mean / mean.mean(), rtol=1e-5)
    share = (values != 0).double().mean(dim=(0, 2, 3))
    np.testing.assert_allclose(score(network, tied, "apoz", batches)[groups], share / share.mean(), rtol=1e-5)
    assert share.min() < 1


def test_taylor_is_the_slope_of_the_loss_as_a_channel_fades() -> None:
    network = _network("mobilenet_v2_debug").double()
    tied = channels(network.architecture)
    batches = [(images.double(), labels) for images, labels in _batches(network, 1)]
    objective = CrossEntropy()
    scores = score(network, tied, "taylor", batches, objective)

    def loss() -> float:
        with torch.no_grad():
            return float(objective.losses(network, *batches[0]).total / objective.weight(batches[0][1]))

    layer, norm = "block_1.expand", network.layer("block_1.expand").norm
    depthwise = network.layer("block_1.depthwise").norm
    for channel in (0, 3):
        slopes = []
        for module in (norm, depthwise):  # each makes the channel, one after the other
            saved = module.weight.data.clone(), module.bias.data.clone()
            values = []
            for factor in (1 + 1e-5, 1 - 1e-5):
                module.weight.data[channel], module.bias.data[channel] = (each[channel] * factor for each in saved)
                values.append(loss())
            module.weight.data, module.bias.data = saved
            slopes.append((values[0] - values[1]) / 2e-5)
        group = int(tied.written[layer][channel])
        assert scores[group] == pytest.approx(sum(slope**2 for slope in slopes), rel=1e-4)


def test_a_criterion_that_has_nothing_to_read_says_where() -> None:
    for name in ("vgg_debug", "alexnet_debug", "squeezenet_debug"):
        if name in FAMILIES:
            network = _network(name)
            with pytest.raises(LeannetError, match="--criterion bn_scale: expected something to read, found no batch"):
                score(network, channels(network.architecture), "bn_scale")


def test_random_scores_are_those_of_their_seed() -> None:
    network = _network("mobilenet_v2_debug")
    tied = channels(network.architecture)
    one, same, other = (score(network, tied, "random", seed=seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
