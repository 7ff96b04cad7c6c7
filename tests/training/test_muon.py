"""Muon: against the singular vectors that it stands for, and torch's own where that goes."""

import pytest
import torch
from torch import nn

from leannet.network import build
from leannet.training.muon import Muon, hidden_matrices, orthogonalized
from leannet.training.optimizing import make_optimizer
from leannet.training.settings import Optimizer
from leannet.zoo import architecture


@pytest.mark.parametrize("shape", [(24, 144), (144, 24), (48, 64), (1, 16), (96, 9)])
def test_an_orthogonal_update_has_the_singular_vectors_and_equal_singular_values(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64) * 1e-3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    ours = orthogonalized(matrix)
    values = (u.t() @ ours @ v.t()).diagonal()
    assert values.min() > 0.6
    assert values.max() < 1.3
    torch.testing.assert_close(u @ values.diag() @ v, ours, atol=1e-9, rtol=0)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert torch.equal(orthogonalized(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_it_takes_the_steps_of_torchs() -> None:
    """On plain matrices, apart from how the rate is meant, and from bfloat16, in which torch's iterates."""
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(24, 96)) for _ in range(2))
    rate = 0.01
    mine = Muon([{"params": [ours], "weight_decay": 0.1, "orthogonal": True}], lr=rate, momentum=0.9)
    torchs = torch.optim.Muon([theirs], lr=rate, momentum=0.9, weight_decay=0.1)
    for number in range(5):
        gradient = torch.randn(24, 96, generator=torch.Generator().manual_seed(number))
        before = ours.detach().clone(), theirs.detach().clone()
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        torchs.step()
        steps = [(new - old * (1 - rate * 0.1)).detach() for new, old in zip((ours, theirs), before, strict=True)]
        # A step of ours has the root mean square `rate`, or nearly so; torch's is that of an orthogonal matrix.
        assert steps[0].square().mean().sqrt().item() == pytest.approx(rate, rel=0.25)
        assert ((steps[0] / 96**0.5 - steps[1]).norm() / steps[1].norm()).item() < 0.05


def test_hidden_filters_are_matrices_and_all_else_is_left_to_adamw() -> None:
    network = build(architecture("mobilenet_v2_debug"))
    matrices = hidden_matrices(network)
    names = {name for name, parameter in network.named_parameters() if parameter in matrices}
    assert "block_1.expand.conv.weight" in names
    assert all(name.endswith(("expand.conv.weight", "project.conv.weight", "Conv_1.conv.weight")) for name in names)
    optimizer = make_optimizer(network, Optimizer(name="muon", lr=0.01), 32)
    adamw = torch.optim.AdamW([network.Conv1.conv.weight], lr=0.01, weight_decay=0.05)
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    stem = network.Conv1.conv.weight.detach().clone()
    optimizer.step()
    after, network.Conv1.conv.weight.data = network.Conv1.conv.weight.detach().clone(), stem
    adamw.step()
    torch.testing.assert_close(after, network.Conv1.conv.weight.detach())
    assert not torch.equal(after, stem)
