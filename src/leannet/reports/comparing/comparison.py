"""A `Comparison`: what sets networks apart, and what must be known before they are compared."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from leannet.errors import LeannetError
from leannet.reports.comparing.compared import PUBLISHED, Compared, answers_of
from leannet.reports.comparing.front import pareto_front

if TYPE_CHECKING:
    from leannet.reports.comparing.pairs import Pair
    from leannet.runtime import Latency

COSTS = {"macs": "mult-adds", "size_bytes": "size on disk", "latency_ms": "latency"}
NOT_SET = "not set"


@dataclass(frozen=True)
class Timing:
    """What was measured. words: engine, threads, batch and machine, without which no latency is shown."""

    words: str
    latencies: "Mapping[str, Latency]"  # by WHAT


@dataclass(frozen=True)
class Comparison:
    """Networks side by side."""

    networks: tuple[Compared, ...]
    timing: Timing | None = None
    changed: tuple[str, ...] = ()  # labels of those whose rows options changed

    @cached_property
    def groups(self) -> list[list[Compared]]:
        """Networks whose accuracies compare, being judged on the same images.

        Published accuracies take part only where there are no others.
        """
        found: dict[str, list[Compared]] = {}
        for each in self.networks:
            if each.accuracy:
                found.setdefault(each.accuracy.judged_on, []).append(each)
        own = [members for key, members in found.items() if key != PUBLISHED]
        return own or list(found.values())

    def fronts(self, cost: str) -> list[list[Compared]]:
        """Of each group, the networks that no other of it beats in accuracy and a cost, the cheapest first."""
        fronts = []
        for group in self.groups:
            members = [each for each in group if price(each, cost) is not None]
            points = [(price(each, cost) or 0.0, each.accuracy.value) for each in members if each.accuracy]
            fronts.append([members[place] for place in pareto_front(points)])
        return fronts

    @cached_property
    def settings(self) -> dict[str, list[str]]:
        """The settings in which runs differ: of each setting what each run had, in the order of `runs`."""
        flat = [dict(_settings(each)) for each in self.runs]
        names = list(dict.fromkeys(name for one in flat for name in one))
        found = {name: [one.get(name, NOT_SET) for one in flat] for name in names}
        return {name: values for name, values in found.items() if len(set(values)) > 1}

    @cached_property
    def runs(self) -> list[Compared]:
        """Those with settings."""
        return [each for each in self.networks if each.held and each.held.settings]

    @cached_property
    def pairs(self) -> "list[Pair]":
        """The most accurate run of each group beside each other run of it, image by image."""
        from leannet.reports.comparing.pairs import pair

        found = []
        for group in self.groups:
            judged = [(each, said) for each in group if each.kind == "run" and (said := answers_of(each))]
            if len(judged) < 2:
                continue
            best, own = max(judged, key=lambda one: one[0].accuracy.value if one[0].accuracy else 0.0)
            others = [(each, said) for each, said in judged if each is not best]
            found += [made for each, said in others if (made := pair(best.label, own, each.label, said))]
        return found

    @cached_property
    def warnings(self) -> list[str]:
        """What must be known before accuracies are compared."""
        lines = [f"{each.label} {each.progress.unfinished}." for each in self.networks if each.progress.unfinished]
        if len(self.groups) < 2:
            return lines
        names = [_listed([each.label for each in group]) for group in self.groups]
        lines += [f"Not judged on the same images: {' | '.join(names)}. Accuracies compare within each set only."]
        first = self.groups[0][0]
        for group in self.groups[1:]:
            shared = _shared(first, group[0])
            if shared is not None:
                lines.append(
                    f"{f'{shared:,}' if shared else 'None'} of the validation images of {group[0].label} "
                    f"{'is' if shared < 2 else 'are'} among those of {first.label}."
                )
        return lines

    @cached_property
    def missing(self) -> list[str]:
        """What is left out of the page, a sentence for networks that lack the same."""
        shown = [each for group in self.groups for each in group]
        alike: dict[tuple[str, str, str], list[str]] = {}
        for each in self.networks:
            lacks = [] if each.log else ["learning curves"]
            if each.accuracy is None:
                lacks.append("accuracy")
            elif not any(each is other for other in shown):
                lacks.append("accuracy on these images (its published one, on ImageNet, is in the table)")
            lacks += [] if each.size_bytes is not None else ["file"]
            if self.timing and each.latency is None:
                lacks.append("latency, being made for another engine")
            why = ", whose rows the options changed" if each.label in self.changed else ""
            if lacks:
                alike.setdefault((each.kind, why, _listed(lacks, "no ")), []).append(each.label)
        return [
            f"{_listed(names)}, {_article(kind) if len(names) == 1 else f'{kind}s'}{why}: no {lacks}."
            for (kind, why, lacks), names in alike.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        fronts = {cost: [each for front in self.fronts(cost) for each in front] for cost in COSTS}
        return {
            "networks": [
                each.to_dict()
                | {"on_front": {cost: any(each is other for other in fronts[cost]) for cost in COSTS}, "log": each.log}
                for each in self.networks
            ],
            "latency_of": self.timing.words if self.timing else None,
            "same_images": len(self.groups) < 2,
            "pairs": [each.to_dict() for each in self.pairs],
            "settings_of": [each.what for each in self.runs],
            "settings_that_differ": self.settings,
            "warnings": self.warnings,
        }


def price(network: Compared, cost: str) -> float | None:
    """One of COSTS of a network."""
    if cost == "macs":
        return network.cost.macs
    if cost == "size_bytes":
        return network.size_bytes
    return network.latency.median_ms if network.latency else None


def _settings(network: Compared) -> Iterator[tuple[str, str]]:
    """A run's settings by their dotted names, and the versions that it was made with."""
    from leannet.reports.words import flat
    from leannet.training.settings import Settings

    assert network.held is not None
    settings = network.held.settings
    with suppress(LeannetError):  # of another version: then as they stand
        settings = Settings.make(settings).model_dump(mode="json", exclude_none=True)
    yield from flat(settings)
    told = network.header.provenance if network.header else None
    yield "version of leannet", told.leannet if told else NOT_SET
    yield "version of torch", (told and told.torch) or NOT_SET


def _shared(a: Compared, b: Compared) -> int | None:
    """How many validation images two networks have in common; None where their headers do not tell."""
    import numpy as np

    from leannet.data.split import MAX_FINGERPRINTS

    marks = []
    for each in (a, b):
        text = each.header.split.fingerprints.get("validation") if each.header else None
        if not text:
            return None
        marks.append(np.frombuffer(base64.b64decode(text), dtype="<u4"))
    return None if max(map(len, marks)) >= MAX_FINGERPRINTS else len(np.intersect1d(marks[0], marks[1]))


def _listed(words: Sequence[str], before: str = "") -> str:
    """a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join([words[0], *(before + word for word in words[1:-1])])} and {before}{words[-1]}"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
