"""What the page of a comparison says, for compare.html.j2."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from leannet import __version__
from leannet.cost import CONVENTION
from leannet.diagrams.costs import short
from leannet.reports.comparison.comparison import NOT_SET, Comparison
from leannet.reports.comparison.figures import against_costs, color, curves, is_second
from leannet.reports.comparison.network import PUBLISHED, ComparedNetwork
from leannet.reports.comparison.pairs import p_words
from leannet.reports.comparison.sweeps import sweeps
from leannet.reports.comparison.verdict import Verdict
from leannet.reports.page import percent


@dataclass(frozen=True)
class Column:
    """A column of the table: what stands in it, and whether more or less of it is better."""

    head: str
    key: str
    text: Callable[[Any], str]
    better: int = 0  # 1: more, -1: less, 0: neither


COLUMNS = (
    Column("accuracy", "accuracy", lambda x: percent(x, 2), 1),
    Column("AP50", "ap50", lambda x: percent(x, 2), 1),
    Column("AP", "ap", lambda x: percent(x, 2), 1),
    Column("loss", "loss", lambda x: f"{x:.3f}", -1),
    Column("mult-adds", "macs", short, -1),
    Column("params", "params", short, -1),
    Column("median ms", "latency_ms", lambda x: f"{x:.3g}", -1),
    Column("file, MB", "size_bytes", lambda x: f"{x / 1e6:.2f}", -1),
    Column("epochs", "epochs", str),
    Column("minutes", "training_seconds", lambda x: f"{x / 60:.1f}"),
    Column("MB moved", "bytes_moved", lambda x: f"{x / 1e6:.1f}", -1),
    Column("peak MB", "peak_activation_bytes", lambda x: f"{x / 1e6:.2f}", -1),
    Column("depth", "sequential_depth", str),
    Column("pixels", "resolution", str),
)
COUNTED = ("macs", "params", "size_bytes", "bytes_moved", "peak_activation_bytes")  # exact, so that less is less


def contents(comparison: Comparison) -> dict[str, Any]:
    """The fields of the template."""
    data = [network.to_dict() for network in comparison.networks]
    columns = [column for column in COLUMNS if any(line[column.key] is not None for line in data)]
    best = best_networks(comparison)
    rows = [
        {
            "name": network.label,
            "parts": _parts(network.label),
            "what": network.what,
            "kind": f"{network.kind}, {network.precision}" if network.kind == "artifact" else network.kind,
            "color": color(number),
            "hollow": is_second(number),
            "cells": [
                {
                    "value": "" if line[column.key] is None else line[column.key],
                    "text": "" if line[column.key] is None else column.text(line[column.key]),
                    "exact": f"{line[column.key]:,}" if column.text is short else "",
                    "below": below.get(column.key, ""),
                    "source": line["accuracy_source"] if column.key == "accuracy" and not _interval(network) else "",
                    "best": number in best[column.key],
                }
                for column in columns
            ],
        }
        for number, (network, line) in enumerate(zip(comparison.networks, data, strict=True))
        for below in [_below(network)]
    ]
    figures = curves(comparison)
    return {
        "title": f"{len(data)} networks side by side" if len(data) > 1 else comparison.networks[0].label,
        "subtitle": ", ".join(network.label for network in comparison.networks),
        "lead": [_lead(verdict) for verdict in comparison.verdicts],
        "warnings": comparison.warnings,
        "missing": comparison.missing,
        "curves": {
            by: [figure.inline() for figure in figures if figure.name.endswith(by)] for by in ("epochs", "minutes")
        },
        "fronts": [{"svg": figure.inline(), "label": figure.label} for figure in against_costs(comparison)],
        "sweeps": [{"svg": figure.inline()} for figure in sweeps(comparison)],
        "published": bool(comparison.groups) and comparison.groups[0][0].kind == "zoo name",
        "timing": comparison.timing.conditions if comparison.timing else None,
        "heads": [{"text": column.head, "more": column.better > 0} for column in columns],
        "rows": rows,
        "pairs": [
            {
                "pair": pair,
                "first": _parts(pair.first),
                "second": _parts(pair.second),
                "difference": _difference(pair),
                "p": p_words(pair.p_value),
            }
            for pair in comparison.pairs
        ],
        "runs": [_parts(network.label) for network in comparison.runs],
        "settings": comparison.settings,
        "not_set": NOT_SET,
        "convention": CONVENTION[0].upper() + CONVENTION[1:],
        "version": __version__,
    }


def best_networks(comparison: Comparison) -> dict[str, set[int]]:
    """Of each column, the places of the networks that stand in bold.

    Of counted costs the lowest, as they are printed, if not all are equal. Of accuracy those that are shown to be the
    most accurate of their images. Of latency the fastest, if its upper quartile is below the lower ones of all others.
    Nothing tests a loss.
    """
    best: dict[str, set[int]] = {column.key: set() for column in COLUMNS}
    data = [network.to_dict() for network in comparison.networks]
    for column in COLUMNS:
        if column.key not in COUNTED:
            continue
        values = {place: line[column.key] for place, line in enumerate(data) if line[column.key] is not None}
        printed = column.text(min(values.values())) if values else ""
        places = {place for place, value in values.items() if column.text(value) == printed}
        if len(places) < len(values):
            best[column.key] = places
    winners = [network for verdict in comparison.verdicts for network in verdict.winners]
    best["accuracy"] = {
        place for place, network in enumerate(comparison.networks) if any(network is winner for winner in winners)
    }
    timed = [(network.latency, place) for place, network in enumerate(comparison.networks) if network.latency]
    for latency, place in timed:
        others = [other for other, elsewhere in timed if elsewhere != place]
        if others and all(latency.p75_ms < other.p25_ms for other in others):
            best["latency_ms"] = {place}
    return best


def _parts(name: str) -> list[str]:
    """A name in pieces, behind which a line may break."""
    return re.split(r"(?<=[/_.@:-])", name)


def _below(network: ComparedNetwork) -> dict[str, str]:
    """What stands below the figure of a column, by the column's key."""
    below = {}
    if network.accuracy:
        is_published = network.accuracy.evaluated_on == PUBLISHED
        below["accuracy"] = _interval(network) or ("published" if is_published else "")
    if network.latency:
        below["latency_ms"] = f"p90 {network.latency.p90_ms:.3g}"
    if network.log:
        of = network.progress.epochs.partition(" ")[2]
        best = f"best {network.best_epoch}" if network.best_epoch else ""
        below["epochs"] = ", ".join(words for words in (of, best) if words)
    return below


def _interval(network: ComparedNetwork) -> str:
    accuracy = network.accuracy
    if accuracy is None or accuracy.low is None or accuracy.high is None:
        return ""
    return f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}"


def _difference(pair: Any) -> str:
    """Points of accuracy of the first over the second."""
    return f"{100 * (pair.only_first - pair.only_second) / pair.images:+.2f}"


def _lead(verdict: Verdict) -> str:
    """A group in short: which is the most accurate, if any is shown to be, and which is cheaper."""
    return " ".join([verdict.sentence(), *_cheaper(verdict)])


def _cheaper(verdict: Verdict) -> Iterator[str]:
    """Of networks that no difference is shown between, the cheapest; else the cheapest of all beside the winner."""
    everyone = [verdict.highest, *(contrast.network for contrast in verdict.contrasts)]
    if not verdict.winners:
        undecided = verdict.undecided
        cheapest, dearest = (choose(undecided, key=lambda network: network.macs) for choose in (min, max))
        if dearest.macs > cheapest.macs:
            times = dearest.macs / max(cheapest.macs, 1)
            yield f"Of these {cheapest.label} has the fewest mult-adds, {times:.1f} times fewer than {dearest.label}."
        return
    winner = min(verdict.winners, key=lambda network: network.macs)
    cheapest = min(everyone, key=lambda network: network.macs)
    if cheapest.macs == winner.macs:
        fewest = all(network.macs > winner.macs for network in everyone if network is not winner)
        yield "It also has the fewest mult-adds." if fewest else "None of the others has fewer mult-adds."
        return
    assert winner.accuracy is not None
    assert cheapest.accuracy is not None
    times = winner.macs / max(cheapest.macs, 1)
    points = 100 * (winner.accuracy.value - cheapest.accuracy.value)
    yield f"{cheapest.label} is {points:.1f} points below, with {times:.1f} times fewer mult-adds."
