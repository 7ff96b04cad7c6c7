"""Early exits: rows cost what they should, heads learn together, and a confidence is chosen for what it saves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import leannet
from leannet.artifact.exporting import export
from leannet.checkpoint import load, save
from leannet.cli.app import app
from leannet.cost import count
from leannet.cost.exits import exit_places
from leannet.cost.skipping import skipping
from leannet.errors import LeannetError
from leannet.evaluation.exits import choose_exits
from leannet.reports.run import report
from leannet.rows.exits import exit_rows, exits, with_exits
from leannet.rows.gating import gated, without_gates
from leannet.training import resume, train
from leannet.training.objective import CrossEntropy, Distilled
from leannet.training.precise_batch_norm import precise_batch_norm
from tests.conftest import draw_folder, stop_at_step

BASES = (
    "cifar_resnet20",
    "cifar_mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2",
    "squeezenet_1_1",
    "mobilenet_v4_conv_small",
)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("base", BASES)
def test_an_image_that_leaves_costs_what_is_before_its_exit(base: str, number: int) -> None:
    plain = leannet.architecture(base)
    places = exit_places(plain, number)
    rows = with_exits(plain, places)
    assert (rows.classes, rows.features, len(exits(rows))) == (plain.classes, plain.features, number)
    assert rows.with_classes(7).classes == 7
    assert {rows.with_classes(7).shapes[each.logits].channels for each in exits(rows)} == {7}
    cost, names = skipping(rows), [each.decision for each in exits(rows)]
    assert cost is not None
    so_far = {}
    for group in count(rows).by_row():
        so_far[group.name] = group.macs + sum(list(so_far.values())[-1:])
    for place, exit_ in enumerate(exits(rows)):
        leaving = dict.fromkeys(names, False) | dict.fromkeys(names[place:], True)
        assert cost.of(leaving) == so_far[exit_.logits]
    assert cost.of(dict.fromkeys(names, False)) == count(rows).macs
    shares = [cost.of(dict.fromkeys(names, False) | dict.fromkeys(names[place:], True)) / count(plain).macs
              for place in range(number)]  # fmt: skip
    assert all(abs(share - (place + 1) / (number + 1)) < 0.2 for place, share in enumerate(shares))


def test_exits_stand_where_everything_goes_on_from() -> None:
    plain = leannet.architecture("cifar_resnet20")
    assert exit_rows(plain)[0] == "conv1"
    with pytest.raises(LeannetError, match="expected a map that all later rows go on from"):
        with_exits(plain, ["avgpool"] if "avgpool" in plain.shapes else [plain.rows[-1].name])
    with pytest.raises(LeannetError, match="has no row 'layer2_9'"):
        with_exits(plain, ["layer2_9"])
    with pytest.raises(LeannetError, match="has exits already"):
        with_exits(with_exits(plain, ["layer1_0"]), ["layer2_0"])
    with pytest.raises(LeannetError, match="expected 1 to 9, found 99"):
        exit_places(plain, 99)


SMALL: dict[str, Any] = {"workers": 0, "quiet": True, "batch_size": 8, "model": "cifar_resnet20", "width": 0.5}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exits")
    draw_folder(folder / "photos", each=20)
    return folder / "photos"


@pytest.fixture(scope="module")
def trained(photos: Path) -> Path:
    out = photos.with_name("trained")
    train(str(photos), out=out, epochs=3, skipping={"exits": 2}, **SMALL)
    return out


def test_heads_learn_together_and_resume_bit_for_bit(
    trained: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = load(trained)[1]
    assert not header.architecture.training_outputs  # what is kept runs no head that it does not need
    with monkeypatch.context() as patch:
        stop_at_step(patch, 5)
        train(str(photos), out=photos.with_name("parts"), epochs=3, skipping={"exits": 2}, **SMALL)
    resume(photos.with_name("parts"), quiet=True)
    one, other = (load(folder / "last.safetensors")[0].state_dict() for folder in (trained, photos.with_name("parts")))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_confidence_is_chosen_and_what_it_says_is_what_evaluation_finds(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.safetensors"
    found = choose_exits(trained, cost=0.9, out=out, quiet=True)
    assert found.chosen is not None
    assert found.chosen.macs <= 0.9 * found.total
    evaluated = leannet.evaluate(out, quiet=True)
    assert evaluated.costs is not None
    assert evaluated.costs.mean == pytest.approx(found.chosen.macs)
    assert evaluated.scores.accuracy == pytest.approx(found.chosen.accuracy)
    assert load(out)[1].metrics.accuracy == pytest.approx(found.chosen.accuracy)
    assert sum(found.chosen.left) == pytest.approx(1)
    assert found.staying.macs == found.total
    exported = export(out, tmp_path / "net.onnx", branches="one")
    assert all(check.passed and check.skips == "branches" for check in exported.checks)


def test_the_verb(trained: Path, tmp_path: Path) -> None:
    words = ["exits", str(trained), "--max-drop", "100", "--out", str(tmp_path / "net.safetensors")]
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0
    assert "<- kept" in printed.output
    with pytest.raises(LeannetError, match="no confidence is as cheap"):
        choose_exits(trained, cost=0.01, out=tmp_path / "net.safetensors", quiet=True)
    network, header = load(trained)
    plain = leannet.architecture("cifar_resnet20", width=0.5).with_classes(network.architecture.classes)
    save(tmp_path / "plain.safetensors", leannet.build(plain), header.model_copy(update={"architecture": plain}))
    with pytest.raises(LeannetError, match="expected a network with early exits, found"):
        choose_exits(tmp_path / "plain.safetensors")


def test_exits_beside_gates_stand_as_without_and_both_go_again() -> None:
    """The states of recurrent gates are read from anywhere, and keep no exit away."""
    plain = leannet.architecture("cifar_resnet38")
    both = gated(plain)
    assert exit_places(both, 2) == exit_places(plain, 2)
    rows = with_exits(both, exit_places(both, 2))
    assert [row.name for row in without_gates(rows).rows] == [row.name for row in plain.rows]
    assert without_gates(rows).name == plain.name
    with pytest.raises(LeannetError, match="expected a row for each 33 % of the mult-adds"):
        exit_places(leannet.architecture("nasnet_a_mobile"), 2)


def test_a_network_with_gates_and_exits_costs_what_evaluation_finds(photos: Path, tmp_path: Path) -> None:
    train(str(photos), out=tmp_path / "both", epochs=2, skipping={"exits": 1, "gate": "feedforward"}, **SMALL)
    found = choose_exits(tmp_path / "both", max_drop=100, quiet=True)
    evaluated = leannet.evaluate(tmp_path / "both" / "exits.safetensors", quiet=True)
    assert found.chosen is not None
    assert evaluated.costs is not None
    assert evaluated.costs.mean == pytest.approx(found.chosen.macs)
    assert "leave early" in report(tmp_path / "both").read_text()


def test_a_teacher_leaves_the_exits_losses_as_they_are() -> None:
    rows = with_exits(leannet.architecture("cifar_resnet20", width=0.25), ["layer2_0"])
    inner = CrossEntropy(auxiliary={"exit_1_logits": 0.5})
    network = leannet.build(inner.watch(rows)).train()
    x, targets = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    teacher = leannet.build(leannet.architecture("cifar_resnet20", width=0.25)).eval()
    alone, taught = (each.losses(network, x, targets).parts for each in (inner, Distilled(inner, teacher, share=0.9)))
    assert taught["auxiliary.exit_1_logits"].item() == pytest.approx(alone["auxiliary.exit_1_logits"].item())
    assert taught["cross_entropy"].item() == pytest.approx(0.1 * alone["cross_entropy"].item(), rel=1e-4)


def test_statistics_are_of_all_images_whichever_leave() -> None:
    """Of a network that all images leave at its first exit, the rows behind it too: else they would be evaluated by
    those of no image."""
    torch.manual_seed(0)
    plain = leannet.architecture("cifar_resnet20", 0.5)
    network = leannet.build(with_exits(plain, exit_places(plain, 1), threshold=0.0))
    images = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    precise_batch_norm(network, images)
    plain_network = leannet.build(plain)
    shared = {name: value for name, value in network.state_dict().items() if name in plain_network.state_dict()}
    plain_network.load_state_dict(shared)
    precise_batch_norm(plain_network, images)
    for name, value in plain_network.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value)
