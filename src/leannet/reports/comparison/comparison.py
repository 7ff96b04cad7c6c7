"""A `Comparison`: what sets networks apart, and what must be known before they are compared."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from leannet.errors import LeannetError
from leannet.reports.comparison.front import pareto_front
from leannet.reports.comparison.network import PUBLISHED, ComparedNetwork, answers_of
from leannet.reports.comparison.verdict import Verdict, listed, verdict

if TYPE_CHECKING:
    from leannet.reports.comparison.pairs import Pair
    from leannet.runtime import Latency

COSTS = {"macs": "mult-adds", "size_bytes": "size on disk", "latency_ms": "latency"}
NOT_SET = "not set"


@dataclass(frozen=True)
class Timing:
    """Measured latencies. conditions: engine, threads, batch and machine, without which no latency is shown."""

    conditions: str
    latencies: "Mapping[str, Latency]"  # by WHAT


@dataclass(frozen=True)
class Comparison:
    """Networks side by side."""

    networks: tuple[ComparedNetwork, ...]
    timing: Timing | None = None
    changed: tuple[str, ...] = ()  # labels of those whose rows options changed

    @cached_property
    def groups(self) -> list[list[ComparedNetwork]]:
        """Networks whose accuracies compare, having been evaluated on the same images.

        Published accuracies take part only where there are no others.
        """
        by_images: dict[str, list[ComparedNetwork]] = {}
        for network in self.networks:
            if network.accuracy:
                by_images.setdefault(network.accuracy.evaluated_on, []).append(network)
        own = [members for images, members in by_images.items() if images != PUBLISHED]
        return own or list(by_images.values())

    def fronts(self, cost: str) -> list[list[ComparedNetwork]]:
        """Of each group, the networks that no other of it beats in accuracy and a cost, the cheapest first."""
        fronts = []
        for group in self.groups:
            members = [network for network in group if price(network, cost) is not None]
            points = [(price(network, cost) or 0.0, network.accuracy.value) for network in members if network.accuracy]
            fronts.append([members[place] for place in pareto_front(points)])
        return fronts

    @cached_property
    def settings(self) -> dict[str, list[str]]:
        """The settings in which runs differ: of each setting the value of each run, in the order of `runs`."""
        flat = [dict(_settings(network)) for network in self.runs]
        names = list(dict.fromkeys(name for settings in flat for name in settings))
        values_by_name = {name: [settings.get(name, NOT_SET) for settings in flat] for name in names}
        return {name: values for name, values in values_by_name.items() if len(set(values)) > 1}

    @cached_property
    def runs(self) -> list[ComparedNetwork]:
        """Those with settings."""
        return [network for network in self.networks if network.contents and network.contents.settings]

    @cached_property
    def pairs(self) -> "list[Pair]":
        """The most accurate run of each group beside each other run of it, image by image."""
        pairs = []
        for group in self.groups:
            runs = [network for network in group if network.kind == "run"]
            if len(runs) < 2:
                continue
            from leannet.reports.comparison.pairs import pair

            answered = [(network, answers) for network in runs if (answers := answers_of(network))]
            if len(answered) < 2:
                continue
            best, best_answers = max(answered, key=lambda one: one[0].accuracy.value if one[0].accuracy else 0.0)
            for network, answers in answered:
                compared = pair(best.label, best_answers, network.label, answers) if network is not best else None
                pairs += [compared] if compared else []
        return pairs

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Of each group of two and more: which is the most accurate, or that no difference is shown."""
        return [verdict(group, self.pairs) for group in self.groups if len(group) > 1]

    @cached_property
    def warnings(self) -> list[str]:
        """What must be known before accuracies are compared."""
        lines = [
            f"{network.label} {network.progress.unfinished}."
            for network in self.networks
            if network.progress.unfinished
        ]
        if len(self.groups) < 2:
            return lines
        names = [listed([network.label for network in group]) for group in self.groups]
        lines += [f"Not evaluated on the same images: {' | '.join(names)}. Accuracies compare within each set only."]
        first = self.groups[0][0]
        for group in self.groups[1:]:
            shared = _shared_images(first, group[0])
            if shared is not None:
                lines.append(
                    f"{f'{shared:,}' if shared else 'None'} of the validation images of {group[0].label} "
                    f"{'is' if shared < 2 else 'are'} among those of {first.label}."
                )
        return lines

    @cached_property
    def missing(self) -> list[str]:
        """What is left out of the page, a sentence for networks that lack the same."""
        shown = [network for group in self.groups for network in group]
        alike: dict[tuple[str, str, str], list[str]] = {}
        for network in self.networks:
            lacks = [] if network.log else ["learning curves"]
            if network.accuracy is None:
                lacks += ["accuracy"] if network.ap is None else []
            elif not any(network is other for other in shown):
                lacks.append("accuracy on these images (its published one, on ImageNet, is in the table)")
            lacks += [] if network.size_bytes is not None else ["file"]
            if self.timing and network.latency is None:
                lacks.append("latency, being made for another engine")
            why = ", whose rows the options changed" if network.label in self.changed else ""
            if lacks:
                alike.setdefault((network.kind, why, listed(lacks, "no ")), []).append(network.label)
        return [
            f"{listed(names)}, {_article(kind) if len(names) == 1 else f'{kind}s'}{why}: no {lacks}."
            for (kind, why, lacks), names in alike.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        fronts = {cost: [network for front in self.fronts(cost) for network in front] for cost in COSTS}
        return {
            "networks": [
                network.to_dict()
                | {
                    "on_front": {cost: any(network is other for other in fronts[cost]) for cost in COSTS},
                    "log": network.log,
                }
                for network in self.networks
            ],
            "latency_of": self.timing.conditions if self.timing else None,
            "same_images": len(self.groups) < 2,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "settings_of": [network.what for network in self.runs],
            "settings_that_differ": self.settings,
            "warnings": self.warnings,
        }


def price(network: ComparedNetwork, cost: str) -> float | None:
    """One of COSTS of a network."""
    if cost == "macs":
        return network.macs
    if cost == "size_bytes":
        return network.size_bytes
    return network.latency.median_ms if network.latency else None


def _settings(network: ComparedNetwork) -> Iterator[tuple[str, str]]:
    """A run's settings by their dotted names, and the versions that it was made with."""
    from leannet.reports.summary import flat
    from leannet.training.settings import Settings

    assert network.contents is not None
    settings = network.contents.settings
    with suppress(LeannetError):  # of another version: then as they stand
        settings = Settings.make(settings).model_dump(mode="json", exclude_none=True)
    yield from flat(settings)
    provenance = network.header.provenance if network.header else None
    yield "version of leannet", provenance.leannet if provenance else NOT_SET
    yield "version of torch", (provenance and provenance.torch) or NOT_SET


def _shared_images(a: ComparedNetwork, b: ComparedNetwork) -> int | None:
    """How many validation images two networks have in common; None where their headers do not tell."""
    import numpy as np

    from leannet.data.split import MAX_FINGERPRINTS

    fingerprints = []
    for network in (a, b):
        text = network.header.split.fingerprints.get("validation") if network.header else None
        if not text:
            return None
        fingerprints.append(np.frombuffer(base64.b64decode(text), dtype="<u4"))
    if max(map(len, fingerprints)) >= MAX_FINGERPRINTS:
        return None
    return len(np.intersect1d(fingerprints[0], fingerprints[1]))


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
