"""Shared weights: a candidate is a part of the largest network, and nothing else of it learns."""

import numpy as np
import pytest
import torch

from leannet.errors import LeannetError
from leannet.nas.space import Candidate, Space
from leannet.nas.spaces import space_of
from leannet.nas.supernet import Shared, SharedWeights, parts, resized
from leannet.network import build
from leannet.rows import parameters
from leannet.training.objective import CrossEntropy
from leannet.zoo import architecture
from tests.conftest import lively

SPACE = space_of(
    architecture("mobilenet_v2_debug"), kernel=(3, 5), expansion=(1, 2, 3), activation=("relu6", "h_swish"),
    skip=(True, False), resolution=(16, 32),
)  # fmt: skip


def _shared(space: Space = SPACE) -> SharedWeights:
    torch.manual_seed(0)
    return SharedWeights(lively(build(space.architecture(space.largest))), space)


def _candidates(number: int = 8) -> list[Candidate]:
    draw = np.random.default_rng(0)
    return [SPACE.largest, SPACE.smallest, *(SPACE.random(draw) for _ in range(number))]


@pytest.mark.parametrize("candidate", _candidates())
def test_a_candidate_answers_as_the_network_of_its_part(candidate: Candidate) -> None:
    """In training, on the same images: as a network of its own with copies of the weights."""
    shared = _shared()
    images = torch.randn(6, 3, 32, 32)
    own = shared.network_of(candidate).train()
    shared.run(candidate, images)  # its module is made
    torch.manual_seed(0)  # of what is dropped
    outputs = shared.run(candidate, images)
    torch.manual_seed(0)
    expected = own(resized(images, own.architecture))
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)
    assert sum(value.numel() for value in own.parameters()) == sum(
        each.size for layer in own.architecture.layers for each in parameters(layer) if each.learned
    )


@pytest.mark.parametrize("candidate", _candidates(4))
def test_gradients_reach_its_part_alone(candidate: Candidate) -> None:
    shared = _shared()
    shared.run(candidate, torch.randn(6, 3, 32, 32)).square().sum().backward()
    of = parts(SPACE.architecture(candidate), shared.network.architecture)
    reached = 0
    for key, value in shared.network.named_parameters():
        inside = torch.zeros(value.shape, dtype=torch.bool)
        if key in of:
            inside[of[key]] = True
        if value.grad is None:
            assert key not in of
        else:
            assert (value.grad[~inside] == 0).all()
            reached += bool((value.grad[inside] != 0).any())
    assert reached > len(of) // 3
    statistics = {key: value.clone() for key, value in _shared().network.named_buffers()}
    assert all(torch.equal(value, statistics[key]) for key, value in shared.network.named_buffers())


def test_kernels_keep_their_middle_and_channels_their_first() -> None:
    largest = SPACE.architecture(SPACE.largest)
    options = SPACE.options(SPACE.largest) | {"stage_1.kernel": 3, "stage_1.width": SPACE.stages[0].width[0]}
    of = parts(SPACE.architecture(SPACE.candidate(options)), largest)
    row = SPACE.stages[0].rows[0]
    assert of[f"{row}.depthwise.conv.weight"][2:] == (slice(1, 4), slice(1, 4))
    assert all(each.start == 0 for each in of[f"{row}.project.conv.weight"])


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(LeannetError, match="is no part of"):
        parts(architecture("mobilenet_v2_debug"), SPACE.architecture(SPACE.smallest))


def test_candidates_see_images_as_small_as_the_largest_network_does() -> None:
    """While images grow in training; and compute in its precision."""
    shared = _shared()
    candidate = SPACE.smallest
    images, seen = torch.randn(2, 3, 16, 16), list[tuple[int, ...]]()
    module = shared._module(candidate)[0]
    module.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    shared.run(candidate, images)
    asked, largest = module.architecture.input, shared.network.architecture.input
    assert seen == [(2, 3, round(16 * asked.height / largest.height), round(16 * asked.width / largest.width))]
    images, targets = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    losses = []
    for precision in (None, torch.bfloat16):
        torch.manual_seed(1)
        objective = Shared(CrossEntropy(), SPACE, precision=precision).bound(shared.network.train())
        losses.append(objective.losses(shared.network, images, targets).parts)
    torch.testing.assert_close(losses[0]["largest"], losses[1]["largest"])
    assert not torch.equal(losses[0]["smallest"], losses[1]["smallest"])
    torch.testing.assert_close(losses[0]["smallest"], losses[1]["smallest"], rtol=0.05, atol=0.05)


def test_a_sandwich_is_the_largest_the_smallest_and_two_more() -> None:
    shared = _shared()
    objective = Shared(CrossEntropy(), SPACE).bound(shared.network.train())
    images, targets = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    torch.manual_seed(1)
    losses = objective.losses(shared.network, images, targets)
    assert set(losses.parts) == {"largest", "smallest", "random_1", "random_2"}
    torch.manual_seed(1)
    alone = CrossEntropy().losses(shared.network, images, targets)
    torch.testing.assert_close(losses.parts["largest"], alone.total / 4)
    torch.manual_seed(1)
    again = objective.losses(shared.network, images, targets)
    torch.testing.assert_close(losses.total, again.total)
    torch.manual_seed(2)
    other = objective.losses(shared.network, images, targets)
    assert not torch.equal(losses.total, other.total)
    uniform = Shared(CrossEntropy(), SPACE, "uniform").bound(shared.network)
    assert set(uniform.losses(shared.network, images, targets).parts) == {"cross_entropy"}
