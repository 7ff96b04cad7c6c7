"""Recipes are settings that hold, and what they turn on does what it says."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from leannet.checkpoint import load
from leannet.console import Console, as_seconds
from leannet.data.augment import RAND, TRIVIAL, Augment, change
from leannet.data.loader import Batches, PreparedDataset, cached
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.errors import LeannetError
from leannet.network import build
from leannet.preprocessing import Preprocessing
from leannet.training import Settings, resume, train
from leannet.training.choosing import fine_tuned
from leannet.training.ema import EMA
from leannet.training.loop import balanced
from leannet.training.mixing import mix
from leannet.training.objective import CrossEntropy
from leannet.training.optimizing import frozen_rows, make_optimizer, set_rate
from leannet.training.recipes import RECIPES, recipe, with_recipe
from leannet.training.settings import Optimizer, Schedule, read_toml
from leannet.zoo import architecture
from tests.conftest import draw, draw_folder

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_is_valid_and_others_win(name: str) -> None:
    settings = Settings.make(with_recipe({"data": "x", "recipe": name, "epochs": 3, "augment": {"flip": False}}))
    assert settings.epochs == 3
    assert settings.augment.flip is False
    assert settings.augment.crop == recipe(name)["augment"]["crop"]
    rates = [settings.schedule.factor(epoch, 3) for epoch in np.linspace(0, 3, 50)]
    assert all(0 <= rate <= 1 for rate in rates)
    model = settings.model
    assert model is None or architecture(model)


@pytest.mark.parametrize("name", ["cosine", "linear", "step", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 1.0, 5.0])
def test_by_the_clock_too_the_rate_stays_under_its_peak(name: Any, warmup: float) -> None:
    """However few or many epochs the time is enough for."""
    schedule = Schedule(name=name, warmup_epochs=warmup)
    for rate in (0.2, 3.0, 200.0):  # epochs in all
        factors = [schedule.factor(rate * share, 30, share) for share in np.linspace(0, 1, 50)]
        assert max(factors) <= 1
        assert name == "constant" or factors[-1] < 1 or (name == "step" and rate < 30)
    assert Schedule(name="step", step_epochs=2.0).factor(4.5, 30, 0.9) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": "stem"}, "--freeze stem: expected trained weights to freeze, found a fresh network"),
        ({"recipe": "fine-tune"}, r"--freeze stem \(recipe fine-tune\): expected trained weights to freeze"),
        ({"class_weights": "balanced", "sampling": "balanced"}, "expected one of them"),
    ],
)
def test_settings_that_do_not_go_together(shapes: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LeannetError, match=message):
        train(str(shapes), out=tmp_path / "run", **SMALL | settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("images", "recipe", "epochs"),
    [
        (244, "fine-tune-few", 12),
        (999, "fine-tune-few", 12),
        (1_000, "fine-tune", 20),
        (9_999, "fine-tune", 20),
        (10_000, "fine-tune-large", 10),
    ],
)
def test_training_on_from_weights_goes_by_the_number_of_images(images: int, recipe: str, epochs: int) -> None:
    source: Any = (None, SimpleNamespace(classes=("cat", "dog")))
    scan: Any = SimpleNamespace(dataset=SimpleNamespace(classes=("ant", "bee"), truths=None))
    chosen = fine_tuned(Settings(data="photos", weights="net.safetensors"), source, scan, images, Console(quiet=True))
    assert (chosen.recipe, chosen.epochs) == (recipe, epochs)
    own = Settings(data="photos", weights="net.safetensors", recipe="cifar")
    assert fine_tuned(own, source, scan, images, Console(quiet=True)) is own


@pytest.mark.parametrize(
    ("images", "weights", "recipe", "batch_size"),
    [(999, None, "detect-few", 4), (1_000, None, "detect", 16), (999, "net.safetensors", "detect-fine-tune", 16)],
)
def test_boxes_take_a_recipe_of_their_own(images: int, weights: str | None, recipe: str, batch_size: int) -> None:
    source: Any = None if weights is None else (None, SimpleNamespace(classes=("cat", "dog")))
    scan: Any = SimpleNamespace(dataset=SimpleNamespace(classes=("cell",), truths=()), median_size=(640, 480))
    chosen = fine_tuned(Settings(data="cells", weights=weights), source, scan, images, Console(quiet=True))
    assert (chosen.recipe, chosen.batch_size) == (recipe, batch_size)
    own = Settings(data="cells", weights=weights, recipe="cifar")
    assert fine_tuned(own, source, scan, images, Console(quiet=True)).recipe == "cifar"


def test_a_recipe_is_written_out_in_full(shapes: Path, tmp_path: Path) -> None:
    train(str(shapes), out=tmp_path / "run", recipe="cifar", epochs=1, **SMALL)
    saved = read_toml(tmp_path / "run" / "config.toml")
    assert saved["recipe"] == "cifar"
    assert saved["augment"]["pad"] == 4
    assert saved["optimizer"]["name"] == "sgd"
    with pytest.raises(LeannetError, match="no such recipe; nearest: cifar"):
        train(str(shapes), recipe="cifr", **SMALL)


def test_a_linear_schedule_ends_at_its_end() -> None:
    schedule = Schedule(name="linear", warmup_epochs=0, end_factor=0)
    assert [schedule.factor(epoch, 4) for epoch in (0, 1, 2, 4)] == pytest.approx([1, 0.75, 0.5, 0], abs=1e-3)
    clock = Schedule(end_factor=0)  # in a run of so many minutes the epochs do not matter
    assert [clock.factor(7, 99, share) for share in (0.025, 0.05, 0.525, 1)] == pytest.approx(
        [0.5, 1, 0.5, 0], abs=1e-3
    )


def test_times() -> None:
    assert [as_seconds(text) for text in ("90s", "30m", "1.5h")] == [90, 1800, 5400]
    for text in ("", "30", "m", "30 minutes"):
        with pytest.raises(LeannetError, match="time: expected a time"):
            as_seconds(text)


# Changes of images


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("policy", [TRIVIAL, RAND])
def test_changes_are_nothing_at_no_strength_and_something_at_full(policy: Any, mode: str) -> None:
    image = draw("disc", 3).convert(mode)
    for transform in policy:
        same = transform.apply(image, transform.none)
        assert same.size == image.size
        assert same.mode == mode
        if transform.name not in {"autocontrast", "equalize"}:
            assert np.array_equal(np.asarray(same), np.asarray(image)), transform.name
        if transform.name not in {"identity", "autocontrast", "equalize"} and not (
            transform.name == "color" and mode == "L"
        ):
            assert not np.array_equal(np.asarray(transform.apply(image, transform.most)), np.asarray(image)), (
                transform.name
            )
    assert len(policy) == 14


@given(seed=st.integers(0, 10_000), policy=st.sampled_from(["none", "trivial", "rand"]), pad=st.integers(0, 5))
def test_changed_images_keep_their_shape_and_follow_the_seed(seed: int, policy: Any, pad: int) -> None:
    augment = Augment(policy=policy, pad=pad, erase=0.5)
    image = draw("square", 1, size=20)
    one, two = (change(image, augment, np.random.default_rng(seed))[0] for _ in range(2))
    assert one.shape == (20, 20, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, two)


def test_a_window_moves_by_at_most_the_pad() -> None:
    array = np.zeros((9, 9, 3), np.uint8)
    array[4, 4] = 255
    shifts = set()
    for seed in range(300):
        changed, moves = change(Image.fromarray(array), Augment(pad=2, flip=False), np.random.default_rng(seed))
        (position,) = np.argwhere(changed[:, :, 0])
        shifts.add(tuple(int(v) - 4 for v in position))
        assert (moves.down, moves.right) == tuple(position[:2] - 4)
    assert shifts == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["mixup", "cutmix"]))
def test_mixed_targets_say_what_the_images_are_made_of(seed: int, kind: str) -> None:
    """Images of one color a class: what is in a mixed image can be read off its mean."""
    labels = torch.tensor([0, 1, 2, 3])
    images = labels.double().view(4, 1, 1, 1).expand(4, 3, 12, 16).clone()
    mixed, targets = mix(images, labels, 4, Augment(**{kind: 1.0}), np.random.default_rng(seed))
    assert targets.sum(dim=1).tolist() == pytest.approx([1, 1, 1, 1])
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), targets @ torch.arange(4.0, dtype=torch.float64))


def test_nothing_is_mixed_unless_asked_for() -> None:
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    assert mix(images, labels, 2, Augment(), np.random.default_rng(0)) == (images, labels)


# The loss and the order of images


def test_class_weights_are_applied() -> None:
    logits, labels, weights = torch.randn(6, 3), torch.tensor([0, 2, 1, 0, 2, 2]), (0.5, 2.0, 3.0)
    objective = CrossEntropy(0.1, weights)

    def loss(targets: torch.Tensor) -> torch.Tensor:
        return objective.losses(lambda _: logits, torch.empty(0), targets).total

    expected = sum(
        weights[y] * F.cross_entropy(row[None], y[None], label_smoothing=0.1)
        for row, y in zip(logits, labels, strict=True)
    )
    torch.testing.assert_close(loss(labels), expected)
    assert float(objective.weight(labels)) == pytest.approx(sum(weights[y] for y in labels))
    soft = F.one_hot(labels, 3).float()
    torch.testing.assert_close(loss(soft), expected)
    assert float(objective.weight(soft)) == pytest.approx(sum(weights[y] for y in labels))


def test_weighted_loss_prefers_the_rare_class() -> None:
    """One parameter, nine images of class 0 and one of class 1: the best constant answer is the weighted share."""
    labels = torch.tensor([0] * 9 + [1])
    for weights, share in ((None, 0.1), ((10 / 18, 10 / 2), 0.5)):
        objective, logit = CrossEntropy(0.0, weights), torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([logit], lr=1.0)
        for _ in range(400):
            optimizer.zero_grad()
            outputs = torch.stack([-logit, logit], dim=1).expand(10, 2)
            losses = objective.losses(lambda _, outputs=outputs: outputs, torch.empty(0), labels)
            (losses.total / objective.weight(labels)).backward()
            optimizer.step()
        assert torch.sigmoid(2 * logit).item() == pytest.approx(share, abs=1e-3)


def test_balanced_sampling_shows_every_class_as_often(tmp_path: Path) -> None:
    draw_folder(tmp_path / "d", each=90, kinds=("disc",))
    draw_folder(tmp_path / "d", each=10, kinds=("square",))
    dataset = open_dataset(str(tmp_path / "d"))
    indices = np.arange(len(dataset))
    probabilities = balanced(PreparedDataset(dataset, Preprocessing(height=8, width=8)), indices)
    assert probabilities.sum() == pytest.approx(1)
    batches = list(Batches(indices, 50, range(40), training=True, probabilities=probabilities))
    drawn = np.bincount([dataset.labels[i] for batch in batches for i, _ in batch])
    assert drawn.sum() == 4000
    assert abs(drawn[0] - drawn[1]) < 4 * math.sqrt(4000)  # four deviations of a fair coin


# The optimizer


def test_stages_learn_at_their_own_rates_and_frozen_rows_not_at_all() -> None:
    network = build(architecture("mobilenet_v2"))
    optimizer = make_optimizer(network, Optimizer(layer_decay=0.5), 32)
    set_rate(optimizer, 1.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    taps = network.architecture.taps
    assert rates[id(network.Conv1.conv.weight)] == 0.5 ** len(taps)
    assert rates[id(network.Logits.linear.weight)] == 1
    assert len(rates) == len(list(network.parameters()))
    assert frozen_rows(network.architecture, "stem")[-1] == taps[0]
    assert frozen_rows(network.architecture, "all-but-last")[-1] == taps[-2]
    assert frozen_rows(network.architecture, None) == ()
    with pytest.raises(LeannetError, match="nearest: stem"):
        frozen_rows(network.architecture, "stam")


def test_what_is_frozen_stays_bit_for_bit(shapes: Path, tmp_path: Path) -> None:
    parent = train(str(shapes), out=tmp_path / "parent", epochs=1, **SMALL)
    child = train(str(shapes), out=tmp_path / "child", epochs=2, weights=str(parent.path), freeze="stem", **SMALL)
    old, new = (load(run.path)[0].state_dict() for run in (parent, child))
    stem = frozen_rows(child.header.architecture, "stem")
    frozen = [name for name in old if name.split(".")[0] in stem]
    assert any(name.endswith("conv.weight") for name in frozen)
    for name in frozen:
        assert torch.equal(old[name], new[name]), name
    assert not all(torch.equal(value, new[name]) for name, value in old.items())


def test_the_average_is_the_average() -> None:
    """Against the formula, worked out step by step; statistics too, counters copied."""
    network = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).double()
    average = EMA(network, 0.5)
    expected = network[0].weight.detach().clone()
    for step in range(1, 6):
        nn.init.normal_(network[0].weight)
        network[1].num_batches_tracked += 1
        average.update(network)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    torch.testing.assert_close(average.network[0].weight, expected)
    assert int(average.network[1].num_batches_tracked) == 5


def test_accumulated_parts_give_the_gradient_of_the_whole(shapes: Path, tmp_path: Path) -> None:
    """Without batch norm a batch in three parts is the batch."""
    runs = [
        train(
            str(shapes), out=tmp_path / str(parts), epochs=2, accumulate=parts,
            **(SMALL | {"model": "squeezenet_debug", "batch_size": 6, "dropout": 0.0, "precision": "fp64"}),
        )
        for parts in (1, 3)
    ]  # fmt: skip
    one, three = (load(run.path / "last.safetensors")[0].state_dict() for run in runs)
    for name, value in one.items():
        torch.testing.assert_close(value, three[name], rtol=1e-6, atol=1e-9)


# The end of a run


def test_patience_ends_a_run(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", epochs=50, patience=2, optimizer={"lr": 1e-12}, **SMALL)
    assert run.finished
    assert 3 <= len(run.log) < 50
    with pytest.raises(LeannetError, match="has finished"):
        resume(run.path, quiet=True)


def test_time_ends_a_run(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", time=1.5, **SMALL)
    assert run.finished
    assert run.log
    assert json.loads(json.dumps(run.to_dict()))["finished"]


def test_a_cache_changes_no_pixel(photographs: Path, tmp_path: Path) -> None:
    """Also of JPEGs that are decoded at a half: those of the second epoch come from memory."""
    dataset = open_dataset(str(photographs)).keep(range(0, 40, 4))
    scanned = scan(dataset, training=False)
    for augment in (None, Augment(crop=0.5, policy="trivial")):
        plain = PreparedDataset(scanned.dataset, Preprocessing(height=64, width=64), augment, seed=1)
        one, two = cached(plain, plain, sizes=scanned.sizes, formats=scanned.formats)
        assert one.cache is not None
        assert two.cache is not None
        keys = [(i, epoch) for epoch in (0, 1) for i in range(len(scanned.dataset))]
        for first, second in zip(plain.__getitems__(keys), one.__getitems__(keys), strict=True):
            assert torch.equal(first, second)
        assert all(one.cache.get(i) is not None for i in range(len(scanned.dataset)))
    assert plain.least_size is not None


def test_an_image_drawn_again_is_changed_differently() -> None:
    indices = np.arange(4)
    probabilities = np.array([0.97, 0.01, 0.01, 0.01])
    (batch,) = Batches(indices, 50, range(1), training=True, probabilities=probabilities).__iter__()
    assert len(set(batch)) == len(batch) == 4
    assert len({index for index, _ in batch}) < 4


def test_frozen_statistics_stay_under_precise_batch_norm(tmp_path: Path) -> None:
    """The parent comes from other images, so that statistics measured again would differ."""
    first = draw_folder(tmp_path / "a", each=12)
    second = draw_folder(tmp_path / "b", each=12, first=50)
    parent = train(str(first), out=tmp_path / "parent", epochs=1, **SMALL)
    child = train(str(second), out=tmp_path / "child", epochs=1, weights=str(parent.path), freeze="stem", **SMALL)
    old, new = (load(run.path)[0].state_dict() for run in (parent, child))
    stem = frozen_rows(child.header.architecture, "stem")
    frozen = [name for name in old if name.split(".")[0] in stem]
    assert any(name.endswith("running_mean") for name in frozen)
    for name in frozen:
        assert torch.equal(old[name], new[name]), name
    head = next(name for name in old if name.endswith("running_mean") and name.split(".")[0] not in stem)
    assert not torch.equal(old[head], new[head])


@pytest.mark.parametrize(("count", "size", "world"), [(65, 64, 2), (66, 32, 4), (9, 4, 2), (64, 32, 4), (10, 10, 3)])
def test_processes_never_get_a_batch_that_breaks_them(count: int, size: int, world: int) -> None:
    """In training each has two images or more in every step, as many steps as the others; in validation all come."""
    indices = np.arange(count)
    training = [list(Batches(indices, size, training=True, rank=r, world=world)) for r in range(world)]
    assert len({len(steps) for steps in training}) == 1
    assert training[0]
    assert all(len(batch) >= 2 for steps in training for batch in steps)
    for step in range(len(training[0])):
        parts = Batches(indices, size, training=True, world=world).parts(step, 8)
        assert all(len(steps[step]) // parts >= 2 for steps in training)
    validation = [batch for r in range(world) for batch in Batches(indices, size, rank=r, world=world)]
    assert sorted(index for batch in validation for index, _ in batch) == list(range(count))
