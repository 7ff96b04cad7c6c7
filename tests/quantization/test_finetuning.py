"""What quantization-aware training learns: to answer as the float network does."""

import pytest
import torch
import torch.nn.functional as F

from leannet.network import build
from leannet.quantization.finetuning import Distillation, attach_teacher
from leannet.zoo import architecture
from tests.conftest import lively


def test_a_student_learns_what_its_teacher_says() -> None:
    """By hand: the divergence of both answers, and nothing of the teacher in the state."""
    network, teacher = (lively(build(architecture("mobilenet_v2_debug")), seed) for seed in (0, 1))
    x, labels = torch.randn(6, 3, 32, 32), torch.arange(6)
    plain, teachers = network.eval()(x), teacher.eval()(x)
    names = list(network.state_dict())
    attach_teacher(network, teacher)
    assert list(network.state_dict()) == names
    assert torch.equal(network(x), plain)  # in evaluation it is what it was
    network.training = True  # itself, not its layers: no dropout, no new statistics
    outputs = network(x)
    assert outputs.shape == (6, 2, 10)
    torch.testing.assert_close(outputs, torch.stack([plain, teachers], dim=1))
    p, q = F.softmax(teachers, dim=1), F.softmax(plain, dim=1)
    loss = Distillation().loss(outputs, labels)
    assert loss.item() == pytest.approx((p * (p / q).log()).sum().item(), rel=1e-4)
    assert Distillation().correct(outputs, plain.argmax(dim=1)).item() == 6


def test_who_answers_as_the_teacher_has_nothing_to_learn() -> None:
    network = lively(build(architecture("mobilenet_v2_debug"))).eval()
    outputs = network(torch.randn(6, 3, 32, 32))
    loss = Distillation().loss(torch.stack([outputs, outputs.detach()], dim=1), torch.zeros(6, dtype=torch.long))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert len(gradients) > 10
    assert all(gradient.abs().max() < 1e-6 for gradient in gradients)
