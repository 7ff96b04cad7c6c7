"""A plan is read, edited by hand, and says what is wrong with it."""

import json
from pathlib import Path

import numpy as np
import pytest

from leannet.errors import LeannetError
from leannet.rows.channels import Channels, channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.composing import Composer
from leannet.shrink.explaining import explain
from leannet.shrink.plan import Plan, groups_of, plan_of, without_blocks
from leannet.shrink.widths import widths
from leannet.zoo import FAMILIES, architecture

SMALL = [name for name in FAMILIES if name.endswith("_debug")]


def _some(tied: Channels, share: float, seed: int) -> frozenset[int]:
    draw = np.random.default_rng(seed)
    return frozenset(int(group) for width in widths(tied) for group in width.groups[1:] if draw.random() < share)


@pytest.mark.parametrize("name", SMALL)
def test_a_plan_says_what_goes_and_is_exact_as_a_file(name: str, tmp_path: Path) -> None:
    tied = channels(architecture(name))
    removed = _some(tied, 0.4, 1)
    plan = plan_of(tied, removed, criterion="l1")
    plan.save(tmp_path / "plan.json")
    read = Plan.load(tmp_path / "plan.json")
    assert read == plan
    assert groups_of(read, tied, "plan.json") == removed
    for row in plan.rows:
        assert row.before - row.after >= len(row.remove or ())  # one that others make first is theirs to name


def _edited(tmp_path: Path, **fields: object) -> Plan:
    """A plan of two rows, the first of which is changed by hand."""
    tied = channels(architecture("mobilenet_v2_debug"))
    removed = {int(group) for width in widths(tied)[:2] for group in width.groups[:2]}
    plan_of(tied, removed, criterion="l1").save(tmp_path / "plan.json")
    data = json.loads((tmp_path / "plan.json").read_text())
    data["rows"][0] |= fields
    data["rows"][0] = {name: value for name, value in data["rows"][0].items() if value is not None}
    (tmp_path / "plan.json").write_text(json.dumps(data))
    return Plan.load(tmp_path / "plan.json")


def test_a_row_without_channels_leaves_the_choice_to_the_criterion(tmp_path: Path) -> None:
    tied = channels(architecture("mobilenet_v2_debug"))
    before = Plan.load(tmp_path / "plan.json") if (tmp_path / "plan.json").exists() else None
    assert before is None
    plan = _edited(tmp_path, remove=None, after=5)
    scores = np.random.default_rng(0).random(tied.count)
    removed = groups_of(plan, tied, "plan.json", scores)
    groups = tied.written[plan.rows[0].row]
    gone = [group for group in groups if group in removed]
    left = [group for group in groups if group not in removed]
    assert len(left) == 5
    assert scores[gone].max() < scores[left].min()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"after": 3}, r"row '\w+(\.\w+)?': 'after' says 3, and \d+ of \d+ channels are left: correct one of them"),
        ({"before": 99}, r"expected the \d+ channels that it has in mobilenet_v2_debug, found 'before' 99"),
        ({"remove": [0, 0]}, "a channel is in 'remove' twice"),
        ({"remove": [0, 900]}, r"expected channels from 0 to \d+ in 'remove', found 900"),
        ({"row": "blok_1.expand"}, "mobilenet_v2_debug has no layer of this name"),
    ],
)
def test_a_plan_that_contradicts_itself_names_the_row(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    tied = channels(architecture("mobilenet_v2_debug"))
    plan = _edited(tmp_path, **fields)
    with pytest.raises(LeannetError, match=message):
        groups_of(plan, tied, "plan.json")


def test_a_plan_that_splits_what_is_tied_says_so() -> None:
    tied = channels(architecture("shufflenet_v1_debug"))
    plan = plan_of(tied, {int(widths(tied)[-1].groups[0])})
    (row,) = plan.rows
    assert row.remove is not None
    assert len(row.remove) > 1
    broken = plan.model_copy(update={"rows": (row.model_copy(update={"remove": row.remove[:-1]}),)})
    with pytest.raises(LeannetError, match="is tied with one that goes, and is not in 'remove'"):
        groups_of(broken, tied, "plan.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a plan, a JSON object with rows, found list"),
        ("{", "not JSON"),
        ('{"network": "a", "format_version": 2}', "format_version 2 is newer than this leannet reads"),
        ('{"network": "a", "rows": [{"row": "b", "before": 4}]}', "after"),
    ],
)
def test_what_is_no_plan(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(LeannetError, match=message):
        Plan.load(tmp_path / "plan.json")


def test_a_plan_with_a_block_that_is_not_there() -> None:
    with pytest.raises(LeannetError, match=r"plan\.json, blocks: .*no row 'block_77'"):
        without_blocks(architecture("mobilenet_v2_debug"), Plan(network="a", blocks=("block_77",)), "plan.json")


@pytest.mark.parametrize("name", [*SMALL, "cifar_shufflenet_v2"])
def test_rounds_come_to_one_plan(name: str) -> None:
    """Three rounds, one after another, and the plan that they come to, give the same rows."""
    first = channels(architecture(name))
    composer, tied = Composer(first, ()), first
    for number in range(3):
        removed = _some(tied, 0.2, number)
        composer.add(tied, removed)
        tied = channels(narrowed(tied, removed).architecture)
    whole = composer.plan(Plan(network=name))
    at_once = narrowed(first, groups_of(whole, first, "plan")).architecture
    shapes = [layer.out_shape for layer in tied.architecture.layers]
    assert [layer.out_shape for layer in at_once.layers] == shapes


def test_what_ties_a_row_is_told() -> None:
    table = architecture("cifar_mobilenet_v2")
    (expand, project) = explain(table, "block_2")
    assert (expand.path, expand.largest_group, expand.with_layers) == ("block_2.expand", 1, ())
    assert project.with_layers == ("block_1.project",)
    assert [(reason.path, reason.why) for reason in project.reasons] == [("block_2.add", "it adds them")]
    (head,) = explain(table, table.head)
    assert head.fixed == ((f"it is an output of the network, {table.output_names[0]}", 10),)
    with pytest.raises(LeannetError, match="--explain blok_2: cifar_mobilenet_v2 has no such row or layer"):
        explain(table, "blok_2")
    with pytest.raises(LeannetError, match="it makes no channels, it passes on those of"):
        explain(table, "block_2.depthwise")
