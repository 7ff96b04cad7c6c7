"""A teacher answers in the student's terms, and its part of the loss is what the papers say."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import leannet
from leannet.checkpoint import load, save
from leannet.errors import LeannetError
from leannet.network import build
from leannet.training import loop
from leannet.training.objective import CrossEntropy, Distilled
from leannet.training.teacher import Teacher, read_teacher
from leannet.zoo import architecture
from tests.conftest import lively

QUICK: dict[str, Any] = {"quiet": True, "workers": 0, "limit": 400}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A teacher of 32 pixels and a student of 16, of other rows."""
    folder = tmp_path_factory.mktemp("distill")
    leannet.train("digits", folder / "teacher", model="resnet_debug", resolution=32, epochs=2, **QUICK)
    leannet.train("digits", folder / "student", model="mobilenet_v2_debug", resolution=16, epochs=1, **QUICK)
    return {"teacher": folder / "teacher", "student": folder / "student"}


def test_a_teacher_answers_for_the_students_images(runs: dict[str, Path]) -> None:
    """Other colors, another size, another order of the classes."""
    network, header = load(runs["teacher"])
    own = header.preprocessing
    reads = own.model_copy(update={"height": 16, "width": 16, "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)})
    order = [3, 1, 0, 2, *range(4, 10)]
    teacher = Teacher(network, own, reads, order).eval()
    pixels = torch.rand(2, 3, 16, 16)
    as_student = (pixels - torch.tensor(reads.mean).reshape(1, 3, 1, 1)) / torch.tensor(reads.std).reshape(1, 3, 1, 1)
    as_teacher = (pixels - torch.tensor(own.mean).reshape(1, 3, 1, 1)) / torch.tensor(own.std).reshape(1, 3, 1, 1)
    larger = F.interpolate(as_teacher, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        (logits,) = teacher(as_student)
        torch.testing.assert_close(logits, network(larger)[:, order], atol=1e-4, rtol=1e-4)


def test_the_loss_is_that_of_the_papers() -> None:
    torch.manual_seed(0)
    small, large = architecture("mobilenet_v2_debug"), architecture("resnet_debug")
    teacher = lively(build(large.with_features(*large.taps))).eval()

    class AsTeacher(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            first, *maps = teacher.run(x)
            return [first.flatten(1), *maps]

    objective = Distilled(CrossEntropy(), AsTeacher(), share=0.7, temperature=3.0, features=5.0)
    student = lively(build(objective.watch(small))).train()
    images, labels = torch.randn(4, 3, 32, 32), torch.tensor([1, 2, 3, 4])
    outputs = student(images)
    losses = objective.losses(lambda _: outputs, images, labels)
    logits = next(iter(outputs.values()))
    with torch.no_grad():
        answers = AsTeacher()(images)
    p, q = (answers[0] / 3).softmax(dim=1), (logits / 3).softmax(dim=1)
    divergence = (p * (p.log() - q.log())).sum() * 9
    torch.testing.assert_close(losses.parts["distillation"], 0.7 * divergence)
    torch.testing.assert_close(losses.parts["cross_entropy"], 0.3 * F.cross_entropy(logits, labels, reduction="sum"))
    gap = torch.zeros(())
    maps = [outputs[name] for name in small.taps]
    for one, other in zip(reversed(maps), reversed(answers[1:]), strict=False):
        pair = [(each**2).mean(dim=1) for each in (one, other)]
        size = min(each.shape[1] for each in pair)
        pair = [F.adaptive_avg_pool2d(each, size).flatten(1) for each in pair]
        pair = [each / each.norm(dim=1, keepdim=True) for each in pair]
        gap = gap + ((pair[0] - pair[1]) ** 2).sum()
    torch.testing.assert_close(losses.parts["features"], 5 * gap)
    assert set(build(small).state_dict()) == set(student.state_dict())


@pytest.mark.parametrize("features", [0.0, 10.0])
def test_any_run_teaches_any_run_and_a_kill_changes_nothing(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: Any, features: float
) -> None:
    section = {"features": features}
    arguments: dict[str, Any] = {"teacher": runs["teacher"], "epochs": 2, "distillation": section, **QUICK}
    whole = leannet.distill(runs["student"], out=tmp_path / "whole", **arguments)
    assert [step.parameters.get("teacher") for step in whole.header.provenance.history][-1] == str(runs["teacher"])
    assert whole.header.architecture == load(runs["student"])[1].architecture
    ticks, original = 0, loop.Learner.train_step

    class Killed(BaseException):
        pass

    def train_step(self: Any, *arguments_of_step: Any) -> Any:
        nonlocal ticks
        ticks += 1
        if ticks == 15:
            raise Killed
        return original(self, *arguments_of_step)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Learner, "train_step", train_step)
        with pytest.raises(Killed):
            leannet.distill(runs["student"], out=tmp_path / "killed", **arguments)
    from leannet.training import resume

    resume(tmp_path / "killed", quiet=True)
    one, two = (load(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_teacher_of_other_classes(runs: dict[str, Path], tmp_path: Path) -> None:
    network, header = load(runs["teacher"])
    other = header.model_copy(update={"classes": ("a", *header.classes[1:])})
    save(tmp_path / "other.safetensors", network, other)
    with pytest.raises(LeannetError, match=r"--teacher .*: expected the student's 10 classes, found 10, no '0'"):
        read_teacher(str(tmp_path / "other.safetensors"), load(runs["student"])[1])
    with pytest.raises(LeannetError, match="expected a teacher"):
        leannet.distill(runs["student"], **QUICK)


def test_the_split_of_the_weights_is_kept(runs: dict[str, Path], tmp_path: Path) -> None:
    """With another seed no image changes sides, where `--split` asks for it."""
    rows: dict[str, Any] = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0}
    whole = leannet.train("digits", tmp_path / "whole", **rows)
    result = leannet.train(
        "digits", tmp_path / "run", weights=str(whole.path), split="weights", seed=5, epochs=1, quiet=True, workers=0
    )
    assert result.header.split.digests == whole.header.split.digests
    with pytest.raises(LeannetError, match="--split weights: expected --weights"):
        leannet.train("digits", tmp_path / "other", split="weights", **QUICK)
