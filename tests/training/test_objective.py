"""What a network learns, by hand; and a training without a folder."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from leannet.network import build
from leannet.training.objective import CrossEntropy, Distilled
from leannet.zoo import architecture
from tests.conftest import lively


def test_a_student_learns_what_its_teacher_says() -> None:
    """By hand: the divergence of both answers at a temperature, and the rest of what its labels say."""
    network, teacher = (lively(build(architecture("mobilenet_v2_debug")), seed).eval() for seed in (0, 1))
    x, labels = torch.randn(6, 3, 32, 32), torch.arange(6)
    plain, teachers = network(x), teacher(x)
    runs = []

    def run(images: torch.Tensor) -> torch.Tensor:
        runs.append(images)
        return network(images)

    losses = Distilled(CrossEntropy(), teacher, share=0.7, temperature=2.0).losses(run, x, labels)
    p, q = F.softmax(teachers / 2, dim=1), F.softmax(plain / 2, dim=1)
    assert losses.parts["distillation"].item() == pytest.approx(0.7 * 4 * (p * (p / q).log()).sum().item(), rel=1e-4)
    of_labels = F.cross_entropy(plain, labels, reduction="sum").item()
    assert losses.parts["cross_entropy"].item() == pytest.approx(0.3 * of_labels, rel=1e-5)
    assert losses.correct.item() == (plain.argmax(dim=1) == labels).sum()
    assert len(runs) == 1  # the student runs once, whoever wraps whom
    losses.total.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_who_answers_as_the_teacher_has_nothing_to_learn() -> None:
    network = lively(build(architecture("mobilenet_v2_debug"))).eval()
    objective = Distilled(CrossEntropy(), network, share=1.0, temperature=1.0).to(torch.device("cpu"), torch.float32)
    losses = objective.losses(network, torch.randn(6, 3, 32, 32), torch.zeros(6, dtype=torch.long))
    losses.total.backward()
    assert list(losses.parts) == ["distillation"]
    assert losses.total.item() == pytest.approx(0, abs=1e-5)
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert len(gradients) > 10
    assert all(gradient.abs().max() < 1e-5 for gradient in gradients)


@pytest.mark.parametrize("name", ["mobilenet_v3_debug", "shufflenet_v2_debug", "googlenet_debug"])
def test_a_teacher_answers_without_batch_norm(name: str) -> None:
    """What a folded one teaches is what the network answers; the one in hand is left as it is."""
    network = lively(build(architecture(name))).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    wrapped = Distilled(CrossEntropy(), network).to(torch.device("cpu"), torch.float32)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in wrapped.teacher.modules())
    x = torch.randn(4, 3, 64, 64)
    expected, answers = network(x), wrapped.teacher(x)
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_auxiliary_outputs_count_by_their_weight() -> None:
    main, first, second = torch.randn(3, 4, 5)
    targets = torch.tensor([0, 1, 2, 3])
    losses = CrossEntropy(auxiliary={"aux1": 0.3, "aux2": 0.1}).losses(
        lambda _: {"fc": main, "aux1": first, "aux2": second}, torch.empty(0), targets
    )
    expected = [
        w * F.cross_entropy(x, targets, reduction="sum").item() for w, x in ((1, main), (0.3, first), (0.1, second))
    ]
    np.testing.assert_allclose([part.item() for part in losses.parts.values()], expected, rtol=1e-6)
    assert losses.total.item() == pytest.approx(sum(expected))
