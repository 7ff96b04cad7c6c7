"""Gates learn: what is drawn has the exact gradient, runs resume bit for bit, and what cannot be is refused."""

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

import leannet
from leannet.artifact.exporting import export, export_folder
from leannet.benchmark import bench
from leannet.blocks.table import masked, recording
from leannet.checkpoint import load
from leannet.cli.app import app
from leannet.console import Console
from leannet.cost import count
from leannet.cost.skipping import skipping
from leannet.errors import LeannetError
from leannet.evaluation.decisions import read_decisions, write_decisions
from leannet.header import read_header
from leannet.network import Network, build, zero_init_residual
from leannet.quantization import quantize
from leannet.quantization.fake_quantization import fake_quantized_network
from leannet.reports.comparison.comparing import compare
from leannet.reports.run import report
from leannet.reports.skipping import SHOWN
from leannet.rows import Architecture, Decide
from leannet.rows.gating import decisions, gated
from leannet.runtime import Program
from leannet.training import resume, train
from leannet.training.job import prepare
from leannet.training.objective import CrossEntropy
from leannet.training.optimizing import frozen_rows
from leannet.training.reading import Reader
from leannet.training.settings import Settings, Skipping, read_toml
from leannet.training.skipping import (
    Charged,
    Skipped,
    learning_to_skip,
    of_gates,
    open_gates,
    shares,
    sharpen_gates,
    with_gates,
)
from tests.conftest import draw_folder, stop_at_step
from tests.serving.client import running
from tests.skipping.test_gates import exits

SMALL: dict[str, Any] = {"workers": 0, "quiet": True, "batch_size": 8, "model": "cifar_resnet20", "width": 0.5}
GATE: dict[str, Any] = {"skipping": {"gate": "recurrent"}}
HYBRID: dict[str, Any] = {"skipping": {"learning": "hybrid", "alpha": 1.0}}


# The gradient


def tiny(kind: Any, training: str = "drawn") -> Network:
    """Two gates behind the first block; batch norm as in evaluation, so that an image is not changed by others."""
    torch.manual_seed(0)
    rows = leannet.architecture("resnet_debug", width=0.25).with_classes(3)
    block = rows.row("layer1_0")
    more = [block.model_copy(update={"name": name}) for name in ("again", "once_more")]
    rows = Architecture(name="tiny", input=rows.input, rows=(*rows.rows[:2], *more, *rows.rows[3:])).with_input(8)
    rows = gated(rows, kind)
    rows = rows.edit({name: {"training": training} for name, _ in decisions(rows)})
    objective = Skipped(CrossEntropy(), rows, 0.7, {}, rl_weight=1.0)
    return build(objective.watch(rows)).double()


def in_training(network: Network) -> Network:
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return network


@pytest.mark.parametrize("kind", ["recurrent", "feedforward-light"])
@pytest.mark.parametrize("compared", [False, True])
def test_what_is_drawn_has_the_gradient_of_the_expected_objective(
    kind: Any, compared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ways through two gates, each with its probability: the mean gradient is that of the expectation, compared
    with hard decisions or not."""
    network = in_training(tiny(kind))
    rows = network.architecture
    cost = skipping(rows)
    assert cost is not None
    costs = shares(cost, "macs")
    assert sum(costs.values()) == pytest.approx(1)
    objective = Skipped(CrossEntropy(), rows, 0.7, costs, rl_weight=1.0)
    objective = objective.bound(network) if compared else objective
    pairs = decisions(rows)
    assert len(pairs) == 2
    x, target = torch.randn(1, 3, 8, 8, dtype=torch.float64), torch.tensor([1])
    parameters = list(network.parameters())
    estimated = [torch.zeros_like(parameter) for parameter in parameters]
    expected = torch.zeros((), dtype=torch.float64)
    total = 0.0
    for way in product((0.0, 1.0), repeat=2):
        taken = iter(way)
        monkeypatch.setattr(torch, "bernoulli", lambda score, taken=taken: torch.full_like(score, next(taken)))
        outputs: Any = network(x)
        likely = torch.stack([outputs[score].squeeze() for _, score in pairs])
        drawn = torch.tensor(way, dtype=torch.float64)
        probability = (drawn * likely + (1 - drawn) * (1 - likely)).prod()
        paid = sum(costs[name] * taken for (name, _), taken in zip(pairs, way, strict=True))
        logits = next(iter(outputs.values()))
        expected = expected + probability * (torch.nn.functional.cross_entropy(logits, target) + 0.7 * paid)
        total += probability.item()
        taken_again = iter(way)
        monkeypatch.setattr(torch, "bernoulli", lambda score, t=taken_again: torch.full_like(score, next(t)))
        loss = objective.losses(network, x, target).total
        for value, gradient in zip(estimated, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
            if gradient is not None:
                value += probability.item() * gradient
    assert total == pytest.approx(1)
    exact = torch.autograd.grad(expected, parameters, allow_unused=True)
    assert any(gradient is not None and gradient.abs().max() > 1e-4 for gradient in exact)
    for value, gradient in zip(estimated, exact, strict=True):
        torch.testing.assert_close(value, torch.zeros_like(value) if gradient is None else gradient)


def test_the_mean_of_the_others_changes_no_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two images the expected gradient is the sum of what each gives alone: all their ways through two gates."""
    network = in_training(tiny("recurrent"))
    rows = network.architecture
    cost = skipping(rows)
    assert cost is not None
    objective = Skipped(CrossEntropy(), rows, 0.7, shares(cost, "macs"), rl_weight=1.0)
    x, targets = torch.randn(2, 3, 8, 8, dtype=torch.float64), torch.tensor([1, 2])
    pairs = decisions(rows)
    bias = dict(network.named_parameters())[f"{pairs[0][1]}.project.linear.bias"]

    def expected(images: torch.Tensor, truths: torch.Tensor) -> float:
        total = 0.0
        for way in product((0.0, 1.0), repeat=len(pairs) * len(images)):
            drawn = torch.tensor(way, dtype=torch.float64).reshape(len(pairs), -1)

            def draw(drawn: torch.Tensor = drawn) -> None:
                taken = iter(drawn)
                monkeypatch.setattr(torch, "bernoulli", lambda gate: next(taken).reshape(gate.shape))

            draw()
            with torch.no_grad():
                outputs: Any = network(images)
                likely = torch.stack([outputs[score].reshape(-1) for _, score in pairs])
                probability = (drawn * likely + (1 - drawn) * (1 - likely)).prod().item()
            draw()
            total += probability * torch.autograd.grad(objective.losses(network, images, truths).total, bias)[0].item()
        return total

    alone = [expected(x[number : number + 1], targets[number : number + 1]) for number in range(2)]
    assert abs(alone[0] - alone[1]) > 1e-4
    assert expected(x, targets) == pytest.approx(sum(alone), rel=1e-9)  # losses are sums over images


def test_what_supervised_learning_charges_is_what_ran_and_its_gradient_is_the_scores() -> None:
    network = in_training(tiny("recurrent", "hard"))
    rows = network.architecture
    cost = skipping(rows)
    assert cost is not None
    costs = shares(cost, "macs")
    objective = Charged(CrossEntropy(), rows, 0.7, costs)
    x, targets = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    parts = objective.losses(network, x, targets).parts
    outputs: Any = network(x)
    ran = {decision: outputs[decision].sum().item() for decision, _ in decisions(rows)}
    assert parts["skipping"].item() == pytest.approx(0.7 * sum(costs[name] * number for name, number in ran.items()))
    soft = torch.stack([costs[decision] * outputs[score].sum() for decision, score in decisions(rows)]).sum()
    bias = dict(network.named_parameters())[f"{decisions(rows)[0][1]}.project.linear.bias"]
    (charged,), (expected,) = (torch.autograd.grad(each, bias) for each in (parts["skipping"], 0.7 * soft))
    torch.testing.assert_close(charged, expected)


@pytest.mark.parametrize("training", ["hard", "noisy"])
def test_supervised_decisions_are_hard_forward_and_soft_backward(training: str) -> None:
    network = in_training(tiny("recurrent", training))
    (name, score), _ = decisions(network.architecture)
    outputs: Any = network(torch.randn(64, 3, 8, 8, dtype=torch.float64))
    assert set(outputs[name].flatten().tolist()) <= {0.0, 1.0}
    if training == "noisy":  # as often as the scores say
        assert outputs[name].mean().item() == pytest.approx(outputs[score].mean().item(), abs=0.2)
    one = torch.ones_like(outputs[name])
    hard, soft = (torch.autograd.grad(outputs[each], network.layer("conv1").conv.weight, one, retain_graph=True)[0]
                  for each in (name, score))  # fmt: skip
    torch.testing.assert_close(hard, soft)
    assert hard.abs().max() > 0


def test_residual_branches_begin_at_nought_with_gates_as_without() -> None:
    """As the recipe cifar-fast asks for. The cell that gates share adds too, and is no residual branch."""
    plain = build(leannet.architecture("cifar_resnet20"))
    network = build(gated(plain.architecture, "recurrent"))
    for each in (plain, network):
        zero_init_residual(each)
    at_nought = [{name for name, value in each.named_parameters() if name.endswith("norm.weight") and not value.any()}
                 for each in (plain, network)]  # fmt: skip
    assert at_nought[0] == at_nought[1]
    assert len(at_nought[0]) == 9


def test_comparing_with_hard_decisions_leaves_the_network_as_it_was() -> None:
    """And what is lost no more than by them has a gradient of nothing."""
    network = in_training(tiny("recurrent"))
    rows = network.architecture
    cost = skipping(rows)
    assert cost is not None
    modes = [module.training for module in network.modules()]
    objective = Skipped(CrossEntropy(), rows, 0.7, shares(cost, "macs"), rl_weight=1.0).bound(network)
    x, targets = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    sharpen_gates(network, 1e-9)  # what is drawn is what is decided
    parts = objective.losses(network, x, targets).parts
    assert [module.training for module in network.modules()] == modes
    assert abs(parts["skipping"].item()) < 1e-9


@pytest.mark.parametrize("kind", ["recurrent", "feedforward-light", "feedforward"])
def test_sharper_scores_decide_the_same(kind: Any) -> None:
    network = tiny(kind).eval()
    open_gates(network, None)
    x = torch.randn(64, 3, 8, 8, dtype=torch.float64)
    taken = []
    for temperature in (1.0, 0.2):
        sharpen_gates(network, temperature)
        with torch.inference_mode(), recording(network) as record:
            network(x)
        taken.append({name: value.tolist() for name, value in record.items()})
    assert taken[0] == taken[1]


def test_the_best_epoch_is_by_what_learning_makes_less_of() -> None:
    """Loss and cost: of equal losses the one that skips more."""
    rows = with_gates(leannet.architecture("cifar_resnet20"), Skipping(gate="recurrent", alpha=2.0))
    objective = learning_to_skip(CrossEntropy(), rows, Skipping(alpha=2.0))
    names = [decision for decision, _ in of_gates(rows)]
    every, no = ({name: np.full(5, value, np.int8) for name in names} for value in (1, 0))
    assert objective.charge(every) == pytest.approx(2.0)
    assert objective.charge(no) == 0.0
    assert objective.charge({name: np.array([-1, 1], np.int8) for name in names}) == pytest.approx(1.0)
    assert CrossEntropy().charge({}) is None


def test_gates_and_heads_of_exits_learn_wherever_rows_are_frozen() -> None:
    rows = with_gates(leannet.architecture("cifar_resnet20"), Skipping(gate="recurrent", exits=1))
    frozen = frozen_rows(rows, "all-but-last")
    assert "conv1" in frozen
    assert not {"exit_1_logits"} & set(frozen)
    assert not [name for name in frozen if name.endswith(("_summary", "_state", "_score"))]


def test_what_saves_by_a_decision_of_1_costs_less_than_nothing() -> None:
    """An early exit: images that leave run less, and so leaving is rewarded."""
    cost = skipping(exits(0.3))
    assert cost is not None
    for by in ("macs", "blocks"):
        costs = shares(cost, by)
        assert costs["leaves"] < 0 < costs["goes_on"]
        assert sum(map(abs, costs.values())) == pytest.approx(1)


# Training


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("gates") / "photos")


@pytest.fixture(scope="module")
def supervised(photos: Path) -> Path:
    base, out = photos.with_name("base"), photos.with_name("supervised")
    train(str(photos), out=base, epochs=1, **SMALL)
    return train(
        str(photos), out=out, epochs=2, weights=str(base), **{**SMALL, "model": None, "width": None}, **GATE
    ).path


def test_gates_together_cost_one_beside_exits_too() -> None:
    """What an exit decides is not charged, and takes no part of what gates cost."""
    rows = with_gates(leannet.architecture("cifar_resnet20"), Skipping(gate="recurrent", exits=1, alpha=1.0))
    objective = learning_to_skip(CrossEntropy(), rows, Skipping(alpha=1.0))
    assert isinstance(objective, Charged)
    assert set(objective.costs) == {decision for decision, _ in of_gates(rows)}
    assert sum(objective.costs.values()) == pytest.approx(1)


def test_highway_gates_begin_open() -> None:
    """A trained network begins nearly as it was: a fresh gate lets 0.88 of a block through where its filter is 0."""
    network = leannet.build(gated(leannet.architecture("cifar_resnet20"), "highway"))
    open_gates(network, None)
    biases = [value for name, value in network.named_parameters() if name.endswith("transform.conv.bias")]
    assert len(biases) == 8
    assert all(bias.tolist() == [2.0] for bias in biases)


def test_a_gated_network_begins_as_the_one_it_was_made_of(supervised: Path, photos: Path) -> None:
    network, header = load(supervised / "model.safetensors")
    assert len(decisions(header.architecture)) == 8
    assert header.provenance.history[-1].parameters["gate"] == "recurrent"
    x = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        answers = network.eval()(x)
        with masked(network):
            torch.testing.assert_close(answers, network(x))


def test_its_evaluation_says_what_images_cost(supervised: Path) -> None:
    found = leannet.evaluate(supervised, quiet=True)
    assert found.costs is not None
    rows = load(supervised)[1].architecture
    cost = skipping(rows)
    assert cost is not None
    assert found.costs.total == cost.total
    assert set(found.to_dict()["skipping"]["rates"]) == {name for name, _ in decisions(rows)}
    printed = CliRunner().invoke(app, ["evaluate", str(supervised)])
    assert printed.exit_code == 0
    assert "an image ran" in printed.output


@pytest.mark.parametrize(
    ("form", "branches", "skips"),
    [
        ("onnx", "one", "branches"),
        ("onnx", "any", "gathers"),
        ("openvino", "one", "branches"),
        ("litert", "one", "branches"),
        ("ncnn", "one", "the host chooses"),
    ],
)
def test_what_is_exported_skips_and_passes_its_check(
    supervised: Path, photos: Path, tmp_path: Path, form: Any, branches: Any, skips: str
) -> None:
    if form == "onnx":
        exported = export(supervised, tmp_path / "net.onnx", branches=branches)
        assert [node.op_type for node in onnx.load(exported.path).graph.node].count("If") >= 8
    else:
        exported = export_folder(supervised, form, tmp_path / "net", branches=branches)
    assert all(check.passed or check.known for check in exported.checks)
    assert {check.skips for check in exported.checks} == {skips}
    assert read_header(exported.path).shipping.branches == branches  # type: ignore[union-attr]  # an artifact has one
    if form == "ncnn":
        choices = json.loads((exported.path / "leannet.json").read_text())["choices"]
        assert [choice["gives"] for choice in choices] == [f"{block}.chosen" for block in _gated_blocks(supervised)]
    images = sorted(photos.rglob("*.png"))[:3]
    for ours, theirs in zip(*(leannet.predict(path, images)[0] for path in (exported.path, supervised)), strict=True):
        assert ours.classes == theirs.classes
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-4)


def test_the_server_answers_what_predict_says_of_a_network_that_skips(
    supervised: Path, photos: Path, tmp_path: Path
) -> None:
    """By branches, one image after the other; and several at once, gathered."""
    images = sorted(photos.rglob("*.png"))[:3]
    for branches in ("one", "any"):
        exported = export(supervised, tmp_path / f"{branches}.onnx", branches=branches)
        expected, _ = leannet.predict(supervised, images)
        with running(exported.path) as server:
            together = server.post(*((image.name, image.read_bytes()) for image in images))
            alone = [server.post((image.name, image.read_bytes())) for image in images]
        answered = [*together.json["predictions"], *(each.json["predictions"][0] for each in alone)]
        for ours, theirs in zip(answered, (*expected, *expected), strict=True):
            assert ours["prediction"] == theirs.classes[0]
            assert ours["probability"] == pytest.approx(theirs.probabilities[0], abs=1e-4)


def test_a_run_keeps_what_its_gates_decided_and_its_page_shows_it(supervised: Path, tmp_path: Path) -> None:
    found = leannet.evaluate(supervised, quiet=True)
    names, decided = read_decisions(supervised / "decisions.csv")
    assert found.costs is not None
    assert {name: np.mean(values[values >= 0]) for name, values in decided.items()} == pytest.approx(found.costs.rates)
    assert len(names) == found.scores.images
    page = report(supervised, figures=tmp_path / "figures").read_text()
    assert "What images cost" in page
    assert page.count("of 8 gates</span>") == 2 * min(SHOWN, len(names))
    assert {"gates.svg", "image_costs.csv"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    decided["layer2_1_gate"][:2] = 0  # as if some images skipped a block
    skipped = tmp_path / "skipped"
    shutil.copytree(supervised, skipped)
    write_decisions(skipped / "decisions.csv", names, decided)
    network = compare([str(skipped)]).networks[0]
    cost = skipping(network.architecture)
    assert cost is not None
    (block,) = (gate.macs[0] for gate in cost.gates if gate.decision == "layer2_1_gate")
    assert network.macs == round(found.costs.mean - block * 2 / len(names))
    damaged = tmp_path / "decisions.csv"
    damaged.write_text("path,gate\nx.png,2\n")
    with pytest.raises(LeannetError, match="expected decisions as training writes them"):
        read_decisions(damaged)


def _gated_blocks(run: Path) -> list[str]:
    return [name.removesuffix("_gate") for name, _ in decisions(load(run)[1].architecture)]


def test_what_decides_stays_in_float_while_integers_are_trained_for(supervised: Path) -> None:
    network = load(supervised / "model.safetensors")[0].eval()
    rows = network.architecture
    ranges = {"input": (-2.0, 2.0)}
    for node in rows.layers:
        ranges[node.path] = ranges[f"{node.path}:before"] = (-4.0, 4.0)
    copied = fake_quantized_network(network, ranges, 8)
    names = [*(decision for decision, _ in decisions(rows)), "layer1_1_score.project"]  # whose weights the others use
    assert all(type(copied.layer(name)) is type(network.layer(name)) for name in names)
    assert type(copied.layer("layer1_1.conv_1")) is not type(network.layer("layer1_1.conv_1"))


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_integers_skip_too(supervised: Path, tmp_path: Path, engine: Any) -> None:
    out = tmp_path / ("net.onnx" if engine == "onnxruntime" else "net")
    made = quantize(supervised, out=out, engine=engine, max_drop=100, seconds=0, quiet=True, branches="one")
    assert all(check.passed and check.skips == "branches" for check in made.checks)


def test_bench_says_who_skips(supervised: Path) -> None:
    timed = bench([str(supervised)], ["torch", "onnxruntime", "ncnn"], seconds=0.1, memory=False).timed
    assert [each.skips for each in timed] == ["gathers", "branches", "the host chooses"]
    printed = CliRunner().invoke(app, ["bench", str(supervised), "--engine", "onnxruntime", "--seconds", "0.1"])
    assert "float32: branches" in " ".join(printed.output.split())


def test_branches_that_cannot_be_are_one_line(supervised: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="ncnn does not gather"):
        export_folder(supervised, "ncnn", tmp_path / "net", branches="any")
    with pytest.raises(LeannetError, match="found cifar_resnet20"):
        export(supervised.with_name("base"), tmp_path / "net.onnx", branches="one")
    assert not list(tmp_path.iterdir())
    program = Program(load(supervised)[1].architecture, branches="any")
    for form, name in (("ncnn", "ncnn"), ("tflite", "LiteRT")):
        with pytest.raises(LeannetError, match=f"{name}: its branches are for one image at a time"):
            program.form(form)


def test_what_is_made_smaller_charges_on(photos: Path, supervised: Path, tmp_path: Path) -> None:
    """Pruning scores channels by labels alone, and what is left learns with the costs of its own rows."""
    words: dict[str, Any] = {"workers": 0, "quiet": True, "batch_size": 8, "epochs": 1}
    charged = train(str(photos), out=tmp_path / "charged", weights=str(supervised), skipping={"alpha": 1.0}, **words)
    log = (charged.path / "log.csv").read_text().splitlines()
    assert "validation_charge" in log[0]
    pruned = leannet.prune(charged.path, macs="80%", out=tmp_path / "pruned", quiet=True, epochs=1, workers=0)
    header = read_header(pruned.path)
    assert count(header.architecture).macs < count(charged.header.architecture).macs
    assert "alpha = 1.0" in (pruned.path / "config.toml").read_text()
    job = prepare(Settings.make(read_toml(charged.path / "config.toml")), Reader(), Console(quiet=True))
    smaller = job.of(load(pruned.path)[0], header, job.settings).objective
    assert isinstance(smaller, Charged)
    again = learning_to_skip(CrossEntropy(), header.architecture, job.settings.skipping)
    assert isinstance(again, Charged)
    assert smaller.costs == again.costs


def test_images_that_leave_early_ask_no_gate_behind() -> None:
    """Of a batch that leaves at an exit no gate behind it decides anything."""
    rows = with_gates(leannet.architecture("cifar_resnet20", width=0.5), Skipping(gate="recurrent", exits=1))
    rows = rows.edit({"exit_1": {"threshold": 0.0}, **{name: {"training": "drawn"} for name, _ in of_gates(rows)}})
    objective = learning_to_skip(CrossEntropy(), rows, Skipping(learning="hybrid"))
    network = build(objective.watch(rows)).train()
    losses = objective.bound(network).losses(network, torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3]))
    assert torch.isfinite(losses.parts["skipping"])


def test_hybrid_learning_goes_on_from_it_and_resumes_bit_for_bit(
    supervised: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, Any] = {"workers": 0, "quiet": True, "batch_size": 8, "weights": str(supervised), "epochs": 2}
    whole = train(str(photos), out=tmp_path / "whole", **words, **HYBRID)
    rows = [whole.header.architecture.row(name) for name, _ in decisions(whole.header.architecture)]
    assert {row.training for row in rows if isinstance(row, Decide)} == {"drawn"}
    assert not any(output.role for output in whole.header.architecture.outputs)
    with monkeypatch.context() as patch:
        stop_at_step(patch, 4)
        train(str(photos), out=tmp_path / "parts", **words, **HYBRID)
    resume(tmp_path / "parts", quiet=True)
    for name in ("model.safetensors", "last.safetensors"):
        one, other = (load(tmp_path / folder / name)[0].state_dict() for folder in ("whole", "parts"))
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vgg16", **GATE}, "a gate skips residual blocks behind the first, found none"),
        ({"model": "cifar_resnet20", **HYBRID}, "--gate-learning hybrid: expected gates that decide, found none in"),
        ({"model": "cifar_resnet20", "skipping": {"gate": "recurrent", "alpha": -1}}, "alpha"),
        ({"model": "cifar_resnet20", "skipping": {"gate": "recurent"}}, "gate"),
        (
            {"model": "cifar_resnet20", "skipping": {"alpha": 0.1}},
            "--alpha 0.1: expected gates that decide",
        ),
        ({"model": "cifar_resnet20", "skipping": {"gate": "highway", "alpha": 0.1}}, "--alpha 0.1: expected gates"),
        ({"model": "cifar_resnet20", "skipping": {"exits": 1, "alpha": 0.1}}, "--alpha 0.1: expected gates"),
        (
            {"model": "cifar_resnet20", "skipping": {"gate": "recurrent", "temperature": 0.1}},
            "--gate-temperature 0.1: of hybrid learning alone",
        ),
        (
            {"model": "cifar_resnet20", "skipping": {"gate": "recurrent", "learning": "hybrid", "temperature": 0.1}},
            "--gate-temperature 0.1: sharpens gates that have learned to decide hard",
        ),
        (
            {"model": "cifar_resnet20", "skipping": {"exits": 1}, "distillation": {"teacher": "t", "share": 1.0}},
            "--exits learn from labels",
        ),
    ],
)
def test_what_cannot_be_is_one_line(photos: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LeannetError, match=message) as raised:
        train(str(photos), out=tmp_path / "run", quiet=True, epochs=1, workers=0, **settings)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_gates_twice_are_refused(supervised: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="has gates already: leave it out"):
        train(str(photos), out=tmp_path / "run", quiet=True, epochs=1, weights=str(supervised), **GATE)
