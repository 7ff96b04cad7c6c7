"""Which of the networks evaluated on the same images is the most accurate, if a test shows that any is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leannet.reports.comparison.network import PUBLISHED, ComparedNetwork

if TYPE_CHECKING:
    from leannet.reports.comparison.pairs import Pair

MCNEMAR, INTERVALS, AS_PUBLISHED = "McNemar's exact test", "95 % intervals", "published figures, untested"
MOST_VALUES = 3  # p values in a sentence; of more their bound


@dataclass(frozen=True)
class Contrast:
    """The network of the highest accuracy beside another one. p_value: None where no paired test could be made."""

    network: ComparedNetwork
    p_value: float | None
    is_lower: bool  # the test shows that the other one is less accurate


@dataclass(frozen=True)
class Verdict:
    """A group of networks evaluated on the same images. highest: the one of the highest accuracy, be it by luck."""

    highest: ComparedNetwork
    contrasts: tuple[Contrast, ...]

    @property
    def winners(self) -> list[ComparedNetwork]:
        """Those of the highest accuracy, where all others are shown to be lower; else none."""
        equal = [contrast for contrast in self.contrasts if _accuracy(contrast.network) == _accuracy(self.highest)]
        others = [contrast for contrast in self.contrasts if contrast not in equal]
        if not others or not all(contrast.is_lower for contrast in others):
            return []
        return [self.highest, *(contrast.network for contrast in equal)]

    @property
    def undecided(self) -> list[ComparedNetwork]:
        """The highest, and all from which no difference is shown."""
        return [self.highest, *(contrast.network for contrast in self.contrasts if not contrast.is_lower)]

    @property
    def lower(self) -> list[ComparedNetwork]:
        """Those that are shown to be less accurate."""
        return [contrast.network for contrast in self.contrasts if contrast.is_lower]

    @property
    def test(self) -> str:
        """What decided."""
        accuracy = self.highest.accuracy
        if accuracy is not None and accuracy.evaluated_on == PUBLISHED:
            return AS_PUBLISHED
        tested = {MCNEMAR if contrast.p_value is not None else INTERVALS for contrast in self.contrasts}
        return " and ".join(name for name in (MCNEMAR, INTERVALS) if name in tested)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON: networks as they were named. most_accurate is empty where no difference is shown."""
        accuracy = self.highest.accuracy
        return {
            "networks": [self.highest.what, *(contrast.network.what for contrast in self.contrasts)],
            "images": accuracy.images if accuracy else None,
            "most_accurate": [network.what for network in self.winners],
            "no_difference_shown": [] if self.winners else [network.what for network in self.undecided],
            "less_accurate": [network.what for network in self.lower],
            "p_values": {
                contrast.network.what: contrast.p_value for contrast in self.contrasts if contrast.p_value is not None
            },
            "test": self.test,
            "text": self.sentence(),
        }

    def sentence(self) -> str:
        """Who is the most accurate, or that no difference is shown."""
        accuracy = self.highest.accuracy
        assert accuracy is not None
        if self.test == AS_PUBLISHED:
            names = listed([network.label for network in self.winners or self.undecided])
            have = "has" if len(self.winners) == 1 else "have"
            return f"{names} {have} the highest published accuracy: {_percent(accuracy.value)}."
        images = f"{accuracy.images:,} images" if accuracy.images else "these images"
        if self.winners:
            be = "is" if len(self.winners) == 1 else "are"
            names = listed([network.label for network in self.winners])
            line = f"{names} {be} the most accurate: {_percent(accuracy.value)} of {images}"
            if accuracy.low is not None and accuracy.high is not None:
                line += f" (95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
            shown = [contrast for contrast in self.contrasts if contrast.is_lower]
            return f"{line}; the difference is shown ({self._evidence(shown, overlap=False)})."
        names = listed([f"{network.label} ({_percent(_accuracy(network))})" for network in self.undecided])
        contrasts = [contrast for contrast in self.contrasts if not contrast.is_lower]
        line = f"No difference shown between {names} on {images} ({self._evidence(contrasts, overlap=True)})."
        if self.lower:
            be = "is" if len(self.lower) == 1 else "are"
            line += f" {listed([network.label for network in self.lower])} {be} shown to be less accurate."
        return line

    def _evidence(self, contrasts: Sequence[Contrast], overlap: bool) -> str:
        from leannet.reports.comparison.pairs import p_words

        values = [contrast.p_value for contrast in contrasts if contrast.p_value is not None]
        words = []
        if len(values) > MOST_VALUES:
            bound = f"at least {min(values):.2f}" if overlap else f"at most {max(values):.3f}"
            words.append(f"p {bound}, {MCNEMAR}")
        elif values:
            words.append(f"{listed(list(dict.fromkeys(map(p_words, values))))}, {MCNEMAR}")
        if len(values) < len(contrasts):
            words.append(f"{INTERVALS} {'overlap' if overlap else 'do not overlap'}")
        return "; ".join(words)


def verdict(group: Sequence[ComparedNetwork], pairs: "Sequence[Pair]") -> Verdict:
    """The verdict on networks evaluated on the same images. pairs: those of the group, by the networks' labels."""
    # Of equal ones a run, whose images can be compared one by one.
    highest = max(group, key=lambda network: (_accuracy(network), network.kind == "run"))
    by_labels = {frozenset((pair.first, pair.second)): pair for pair in pairs}
    contrasts = []
    for network in group:
        if network is highest:
            continue
        pair = by_labels.get(frozenset((highest.label, network.label)))
        is_lower = pair.difference_shown if pair else _is_below(network, highest)
        contrasts.append(Contrast(network, pair.p_value if pair else None, is_lower))
    return Verdict(highest, tuple(sorted(contrasts, key=lambda contrast: -_accuracy(contrast.network))))


def _is_below(network: ComparedNetwork, highest: ComparedNetwork) -> bool:
    """Whether intervals do not overlap. Published figures have none: they are taken as they are."""
    mine, best = network.accuracy, highest.accuracy
    assert mine is not None
    assert best is not None
    if mine.high is None or best.low is None:
        return mine.value < best.value
    return mine.high < best.low


def _accuracy(network: ComparedNetwork) -> float:
    return network.accuracy.value if network.accuracy else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def listed(words: Sequence[str], before: str = "") -> str:
    """a, b and c. before: a word before each but the first."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join([words[0], *(before + word for word in words[1:-1])])} and {before}{words[-1]}"
