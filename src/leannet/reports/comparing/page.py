"""What the page of a comparison says, for compare.html.j2."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leannet import __version__
from leannet.cost import CONVENTION
from leannet.diagrams.costs import short
from leannet.reports.comparing.compared import PUBLISHED, Compared
from leannet.reports.comparing.comparison import COSTS, NOT_SET, Comparison
from leannet.reports.comparing.figures import against_costs, color, curves, is_second
from leannet.reports.page import percent

SURE = 0.05  # p values below it are seldom luck


@dataclass(frozen=True)
class Column:
    """A column of the table: what stands in it, and whether more or less of it is better."""

    head: str
    key: str
    text: Callable[[Any], str]
    better: int = 0  # 1: more, -1: less, 0: neither


COLUMNS = (
    Column("accuracy", "accuracy", lambda x: percent(x, 2), 1),
    Column("loss", "loss", lambda x: f"{x:.3f}", -1),
    Column("mult-adds", "macs", short, -1),
    Column("params", "params", short, -1),
    Column("median ms", "latency_ms", lambda x: f"{x:.3g}", -1),
    Column("file, MB", "size_bytes", lambda x: f"{x / 1e6:.2f}", -1),
    Column("epochs", "epochs", str),
    Column("minutes", "training_seconds", lambda x: f"{x / 60:.1f}"),
    Column("MB moved", "bytes_moved", lambda x: f"{x / 1e6:.1f}", -1),
    Column("MB held", "peak_activation_bytes", lambda x: f"{x / 1e6:.2f}", -1),
    Column("depth", "sequential_depth", str),
    Column("pixels", "resolution", str),
)


def contents(comparison: Comparison) -> dict[str, Any]:
    """The fields of the template."""
    data = [each.to_dict() for each in comparison.networks]
    alone = len(comparison.groups) < 2
    columns = [column for column in COLUMNS if any(line[column.key] is not None for line in data)]
    best = {
        column.key: _best([line[column.key] for line in data], column.better)
        for column in columns
        if alone or column.key not in {"accuracy", "loss"}
    }
    # A published accuracy is of other images than a run's own, so neither is the best.
    judged = {each.accuracy.judged_on for each in comparison.networks if each.accuracy}
    if len(judged) > 1:
        best |= {"accuracy": None, "loss": None}
    rows = [
        {
            "name": each.label,
            "parts": _parts(each.label),
            "what": each.what,
            "kind": f"{each.kind}, {each.precision}" if each.kind == "artifact" else each.kind,
            "color": color(number),
            "hollow": is_second(number),
            "cells": [
                {
                    "value": "" if line[column.key] is None else line[column.key],
                    "text": "" if line[column.key] is None else column.text(line[column.key]),
                    "exact": f"{line[column.key]:,}" if column.text is short else "",
                    "below": below.get(column.key, ""),
                    "source": line["accuracy_source"] if column.key == "accuracy" and not _interval(each) else "",
                    "best": best.get(column.key) is not None and line[column.key] == best[column.key],
                }
                for column in columns
            ],
        }
        for number, (each, line) in enumerate(zip(comparison.networks, data, strict=True))
        for below in [_below(each)]
    ]
    drawn = curves(comparison)
    return {
        "title": f"{len(data)} networks side by side" if len(data) > 1 else comparison.networks[0].label,
        "subtitle": ", ".join(each.label for each in comparison.networks),
        "lead": _lead(comparison),
        "warnings": comparison.warnings,
        "missing": comparison.missing,
        "curves": {by: [p.inline() for p in drawn if p.name.endswith(by)] for by in ("epochs", "minutes")},
        "fronts": [{"svg": p.inline(), "label": p.label} for p in against_costs(comparison)],
        "published": bool(comparison.groups) and comparison.groups[0][0].kind == "zoo name",
        "timing": comparison.timing.words if comparison.timing else None,
        "heads": [{"text": column.head, "more": column.better > 0} for column in columns],
        "rows": rows,
        "pairs": [
            {"pair": pair, "difference": _difference(pair), "p": _chance(pair.p_value), "sure": pair.p_value < SURE}
            for pair in comparison.pairs
        ],
        "runs": [_parts(each.label) for each in comparison.runs],
        "settings": comparison.settings,
        "not_set": NOT_SET,
        "convention": CONVENTION[0].upper() + CONVENTION[1:],
        "version": __version__,
    }


def _parts(name: str) -> list[str]:
    """A name in pieces, behind which a line may break."""
    return re.split(r"(?<=[/_.-])", name)


def _best(values: list[Any], better: int) -> Any:
    there = [value for value in values if value is not None]
    if not better or len(there) < 2:
        return None
    return max(there) if better > 0 else min(there)


def _below(network: Compared) -> dict[str, str]:
    """What stands below the figure of a column, by the column's key."""
    below = {}
    if network.accuracy:
        below["accuracy"] = _interval(network) or ("published" if network.accuracy.judged_on == PUBLISHED else "")
    if network.latency:
        below["latency_ms"] = f"p90 {network.latency.p90_ms:.3g}"
    if network.log:
        of = network.progress.epochs.partition(" ")[2]
        below["epochs"] = ", ".join(
            said for said in (of, f"best {network.best_epoch}" if network.best_epoch else "") if said
        )
    return below


def _interval(network: Compared) -> str:
    told = network.accuracy
    if told is None or told.low is None or told.high is None:
        return ""
    return f"{100 * told.low:.1f} to {100 * told.high:.1f}"


def _chance(p: float) -> str:
    return f"{p:.4f}" if p >= 1e-4 else "below 0.0001"


def _difference(pair: Any) -> str:
    """Points of accuracy of the first over the second."""
    return f"{100 * (pair.only_first - pair.only_second) / pair.images:+.2f}"


def _lead(comparison: Comparison) -> list[str]:
    """The page in short, a sentence a group: who is the most accurate, and what the front says."""
    lines = []
    for group, front in zip(comparison.groups, comparison.fronts("macs"), strict=True):
        best = front[-1]
        told = best.accuracy
        if told is None or len(group) < 2:
            continue
        of = f" of {told.images:,} validation images ({_interval(best)})" if told.images else ", as published"
        line = f"{best.label} is the most accurate: {percent(told.value)}{of}."
        if len(front) > 1:
            cheapest = front[0]
            assert cheapest.accuracy is not None
            times = best.cost.macs / max(cheapest.cost.macs, 1)
            less = 100 * (told.value - cheapest.accuracy.value)
            line += f" {cheapest.label} is {less:.1f} points below it, with {times:.1f} times fewer mult-adds."
        else:
            fewest = all(each is best or each.cost.macs > best.cost.macs for each in group)
            line += f" {'It also has the fewest' if fewest else 'None of the others has fewer'} {COSTS['macs']}."
        lines.append(line)
    return lines
