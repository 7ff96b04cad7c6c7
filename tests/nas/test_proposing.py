"""Proposals, against trying every width."""

import numpy as np
import pytest

from leannet.cost import count
from leannet.nas.proposing import proposals
from leannet.nas.resources import Counted, Predicted
from leannet.nas.tables import Work, measure_table
from leannet.rows.channels import channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.timing import Timing
from leannet.shrink.widths import widths
from leannet.zoo import architecture


@pytest.mark.parametrize("name", ["mobilenet_v2_debug", "mobilenet_v3_debug", "shufflenet_v2_debug"])
@pytest.mark.parametrize("quantity", ["macs", "params"])
def test_the_largest_width_that_is_small_enough(name: str, quantity: str) -> None:
    """Brute force: every multiple of 2 of every width."""
    tied = channels(architecture(name))
    resource = Counted(quantity)  # type: ignore[arg-type]  # a budget's name
    scores = np.random.default_rng(0).random(tied.count)
    before = resource.of(tied.architecture)
    target = 0.93 * before
    offered, _ = proposals(tied, scores, resource, target, round_to=2)
    assert offered
    assert len({each.key for each in offered}) == len(offered)
    for width in widths(tied):
        own = len(tied.written[width.row])
        order = width.groups[np.argsort(scores[width.groups])]
        best = None
        for number in range(1, len(order)):
            left = own - number * width.each
            if left % 2 == 0 and left >= max(2, 0.1 * own):
                rows = narrowed(tied, order[:number].tolist()).architecture
                if best is None and resource.of(rows) <= target:
                    best = left, resource.of(rows), frozenset(order[:number].tolist())
        proposal = next((each for each in offered if each.removed <= set(width.groups.tolist())), None)
        assert (None if proposal is None else (proposal.after, proposal.cost, proposal.removed)) == best
        if proposal is not None:
            assert count(narrowed(tied, proposal.removed).architecture).macs < count(tied.architecture).macs


def test_rows_may_be_named() -> None:
    tied = channels(architecture("mobilenet_v2_debug"))
    resource, scores = Counted("macs"), np.ones(tied.count)
    target = 0.95 * resource.of(tied.architecture)
    everything, _ = proposals(tied, scores, resource, target, round_to=1)
    row = everything[0].row
    only, _ = proposals(tied, scores, resource, target, rows=[row], round_to=1)
    others, _ = proposals(tied, scores, resource, target, keep=[row], round_to=1)
    assert [each.row for each in only] == [row]
    assert row not in [each.row for each in others]


def test_what_a_table_lacks_is_measured() -> None:
    rows = architecture("mobilenet_v2_debug")
    table = measure_table(Work.of((), [rows]), seconds=0.1)
    known = set(table.rows)
    tied = channels(rows)
    resource = Predicted(table, Timing())
    target = 0.99 * resource.of(rows)
    offered, learned = proposals(tied, np.ones(tied.count), resource, target, rows=["block_1"], round_to=2)
    assert isinstance(learned, Predicted)
    assert known < set(learned.table.rows)
    assert table.checks == learned.table.checks
    for each in offered:
        assert each.cost == pytest.approx(learned.of(narrowed(tied, each.removed).architecture))
        assert each.cost <= target
