"""What a detector learns: losses against another way to compute them, and a network that learns one image by heart."""

import numpy as np
import pytest
import torch

import leannet
from leannet.detect.rules import RULES
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.detecting import detector
from leannet.training.set_matching import SetMatching, focal_loss, initialize_heads


def _detector(**fields: object) -> Architecture:
    return detector(leannet.architecture("mobilenet_v2_debug", resolution=64), 2, channels=16, **fields)


def _targets(*objects: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([[*each, 1.0] for each in objects])[None]


def test_focal_loss_one_by_one() -> None:
    draw = np.random.default_rng(0)
    logits, wanted = draw.normal(size=50), (draw.random(50) < 0.3).astype(float)
    total = 0.0
    for z, t in zip(logits, wanted, strict=True):
        p = 1 / (1 + np.exp(-z))
        total += -0.25 * (1 - p) ** 2 * np.log(p) if t else -0.75 * p**2 * np.log(1 - p)
    assert float(focal_loss(torch.tensor(logits), torch.tensor(wanted))) == pytest.approx(total)


@pytest.mark.parametrize("levels", [(4,), (2, 4)])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns(levels: tuple[int, ...], rule: str) -> None:
    """Four images, one of them without an object, one with two that are the same."""
    torch.manual_seed(0)
    table = _detector(levels=levels)
    network, objective = leannet.build(table).train(), SetMatching(table, rule)
    images = torch.randn(4, 3, 64, 64)
    targets = torch.zeros(4, 2, 6)
    targets[0, 0] = torch.tensor([0, 5, 5, 30, 40, 1])
    targets[2] = torch.tensor([1, 20, 8, 60, 50, 1])
    targets[3, :] = torch.tensor([[0, 0, 0, 64, 64, 1], [1, 40, 40, 50, 56, 1]])
    assert float(objective.weight(targets)) == 5
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    history = []
    for _ in range(12):
        losses = objective.losses(network, images, targets)
        assert set(losses.parts) == {"classes", "sides", "overlap"}
        optimizer.zero_grad()
        (losses.total / objective.weight(targets)).backward()
        optimizer.step()
        history.append(float(losses.total.detach()))
    assert np.isfinite(history).all()
    assert min(history[-3:]) < 0.7 * history[0]


def test_places_in_a_crowd_may_say_its_class_or_not() -> None:
    """The gradient of a class is 0 at the places in its crowd alone, but for the one that answers for an object."""
    torch.manual_seed(0)
    table = _detector(levels=(4,))
    network, objective = leannet.build(table).train(), SetMatching(table)
    images = torch.randn(1, 3, 64, 64)
    thing, crowd = (0.0, 4.0, 6.0, 28.0, 30.0, 1.0), (1.0, 10.0, 20.0, 50.0, 60.0, -1.0)

    def gradient(*objects: tuple[float, ...]) -> torch.Tensor:
        outputs = {name: each.detach() for name, each in network(images).items()}
        classes = outputs["classes_4"].requires_grad_()
        losses = objective.losses(lambda _: outputs, images, torch.tensor([objects]))
        losses.parts["classes"].backward()
        assert classes.grad is not None
        return classes.grad[0]  # (2, 16, 16)

    targets = torch.tensor([[thing, crowd]])
    assert float(objective.weight(targets)) == 1
    without, beside, same = gradient(thing), gradient(thing, crowd), gradient(thing, (0.0, *crowd[1:]))
    at = torch.arange(16) * 4 + 2.0
    inside = ((at >= 20) & (at <= 60))[:, None] & ((at >= 10) & (at <= 50))[None]
    assert torch.equal(beside[0], without[0])
    assert bool((beside[1][inside] == 0).all())
    assert torch.equal(beside[1][~inside], without[1][~inside])
    assert bool((without[1][inside] > 0).all())
    answers = without[0] < 0  # the place that is to say more of class 0
    assert int(answers.sum()) == 1
    assert torch.equal(same[0] == 0, inside & ~answers)


def test_an_image_is_learned_by_heart() -> None:
    """In the end the first boxes are the objects, each once: nothing is suppressed."""
    torch.manual_seed(0)
    table = _detector(levels=(4,))
    network, objective = leannet.build(table).train(), SetMatching(table)
    initialize_heads(network)
    assert 0 < float(network(torch.zeros(2, 3, 64, 64))["classes_4"].detach().sigmoid().mean()) < 0.1
    images = torch.randn(2, 3, 64, 64)
    targets = torch.cat(
        [_targets((0, 4, 6, 28, 30), (1, 30, 20, 62, 60)), _targets((1, 2, 2, 40, 20), (0, 10, 30, 50, 62))]
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(150):
        losses = objective.losses(network, images, targets)
        optimizer.zero_grad()
        (losses.total / objective.weight(targets)).backward()
        optimizer.step()
    outputs = network(images)
    assert isinstance(outputs, dict)
    found = outputs["boxes"][..., 0].transpose(1, 2).detach()  # (N, most, 6)
    for image in range(2):
        first, rest = found[image, :2], found[image, 2:]
        order = first[:, 5].argsort()
        truth = targets[image][targets[image][:, 0].argsort()]
        assert first[order][:, 5].tolist() == truth[:, 0].tolist()
        assert (first[order][:, :4] - truth[:, 1:5]).abs().max() < 6
        assert first[:, 4].min() > 2 * rest[:, 4].max()
    assert float(losses.correct.detach()) == 2


def test_a_classifier_is_no_detector() -> None:
    table = leannet.architecture("mobilenet_v2_debug", resolution=64)
    with pytest.raises(LeannetError, match="finds no boxes"):
        assert SetMatching(table).boxes_row
    with pytest.raises(LeannetError, match="expected levels among"):
        _detector(levels=(3,))


def test_the_rows_that_a_head_reads_may_be_named() -> None:
    """A backbone up to the last of them, and whatever is wrong with a name."""
    backbone = leannet.architecture("mobilenet_v2", resolution=64)
    assert backbone.shapes["block_4"].height == backbone.shapes["block_5"].height == 8
    for taps in (("block_4", "block_12"), ("block_12", "block_4")):
        rows = detector(backbone, 2, channels=16, taps=taps)
        assert rows.reads()["lateral_8"] == ("block_4",)
        assert rows.reads()["lateral_16"] == ("block_12",)
        assert "lateral_32" not in rows.shapes
        assert "block_13" not in rows.shapes
    with pytest.raises(LeannetError, match="--taps block_99: mobilenet_v2 has no such row; nearest: block_9"):
        detector(backbone, 2, taps=("block_99",))
    with pytest.raises(LeannetError, match="one row of a stride, found block_4 and block_5, both 8"):
        detector(backbone, 2, taps=("block_4", "block_5"))
