"""What an adaptation reckons with: counts, or a latency table that it makes of the network and narrower ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from leannet.nas.adapt_request import Request
from leannet.nas.proposing import Proposal, proposals
from leannet.nas.resources import Counted, Predicted, Resource
from leannet.nas.tables import LatencyTable, Work, measure_table
from leannet.network import Network
from leannet.rows import Architecture
from leannet.rows.channels import channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.criteria import score

TABLE = "latency_table.json"
FITTED = 8  # networks that the overhead of a table is fitted to
NARROWER = 0.02  # of the mult-adds, that each further one's proposals take away
SECONDS, SECONDS_A_NETWORK = 3.0, 0.2
INSTEAD = "rows of new widths are timed as they come: run adapt there, or leave --latency-table out"
Say = Callable[[str], None]


def first_resource(request: Request, network: Network, say: Say) -> Resource:
    """Of the original: for milliseconds a table of its rows, whose overhead is fitted to narrower networks too.

    Raises LeannetError for a table of another machine or engine that is not allowed by name.
    """
    if request.quantity != "latency_ms":
        return Counted(request.quantity)
    if request.table is not None:
        table = LatencyTable.load(request.table)
        table.check(request.engine, request.precision, request.threads, instead=INSTEAD)
        return _predicted(table, request, say).learn([network.architecture])
    tied = channels(network.architecture)
    scores, counted = score(network, tied, "l2"), Counted("macs")
    macs, wholes = counted.of(network.architecture), [network.architecture]
    for number in range(1, FITTED):
        offered, _ = proposals(tied, scores, counted, macs * (1 - NARROWER * number), round_to=request.round_to)
        if offered:
            wholes.append(_together(network, offered, number))
    work = Work.of((), wholes)
    say(f"timing {len(work.probes.rows)} rows and {len(wholes)} networks, {request.timing}")
    seconds = max(SECONDS, SECONDS_A_NETWORK * len(work.networks))
    table = measure_table(work, request.engine, request.precision, request.threads, seconds=seconds)
    say(f"  {table.quality()}")
    return _predicted(table, request, say)


def resource_of(request: Request, folder: Path, say: Say) -> Resource:
    """Of an adaptation on its way: with the table in its folder."""
    if request.quantity != "latency_ms":
        return Counted(request.quantity)
    return _predicted(LatencyTable.load(folder / TABLE), request, say)


def _predicted(table: LatencyTable, request: Request, say: Say) -> Predicted:
    def timed(number: int, of: int) -> None:
        if number == of:
            say(f"  {of} networks timed for rows of new widths")

    return Predicted(table, request.timing, done=timed)


def _together(network: Network, offered: Sequence[Proposal], seed: int) -> Architecture:
    """The rows of a network that is narrower in about half of what was proposed."""
    takes = np.random.default_rng(seed).random(len(offered)) < 0.5
    removed = frozenset[int]().union(*(each.removed for each, taken in zip(offered, takes, strict=True) if taken))
    return narrowed(channels(network.architecture), removed).architecture
