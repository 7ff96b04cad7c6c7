"""What images cost a network with gates: how many run each block, mult-adds, and the easiest and hardest images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.cost.skipping import SkippingCost, skipping
from leannet.data.images import fit
from leannet.evaluation.skipped import Decisions, ImageCosts, image_costs
from leannet.reports.images import RunImages, Thumbnail, thumbnail
from leannet.reports.page import percent, short
from leannet.reports.run_contents import RunContents, ValidationPredictions
from leannet.rows.exits import exits
from leannet.style import COLORS, figure, inline_svg, plain_axes

SHOWN = 7  # of the easiest, and of the hardest: a line of the page
PARTS = 10  # of the images, by what they cost
DECIDES = (0.05, 0.95)  # of the images that a gate lets through, if it decides by the image
LEGIBLE, UPRIGHT = 40, 8  # names below the bars


@dataclass(frozen=True)
class RunCosts:
    """What the validation images cost. predictions: of the same images, in this order."""

    cost: SkippingCost
    images: ImageCosts
    rates: dict[str, float | None]  # of each gate, the share of the images that it lets through
    passed: NDArray[np.int64]  # the gates that let each image through
    left: NDArray[np.int64]  # the exit at which each leaves, by number; the last number: the end
    exits: tuple[str, ...]
    predictions: ValidationPredictions

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each is predicted as what it is."""
        predictions = self.predictions
        return np.asarray(predictions.probabilities.argmax(axis=1) == predictions.labels)

    def words(self) -> str:
        """The whole in a few sentences."""
        macs, total = self.images.macs, self.images.total
        rates = [rate for rate in self.rates.values() if rate is not None]
        deciding = sum(DECIDES[0] <= rate <= DECIDES[1] for rate in rates)
        low, high = (int(value) for value in np.percentile(macs, (10, 90)))
        least, most = (percent(share, 0) for share in DECIDES)
        return (
            f"A validation image takes {short(int(self.images.mean))} mult-adds on average, "
            f"{percent(self.images.mean / total)} of what all rows take, the gates' own included; one in ten takes "
            f"{short(low)} or less, one in ten {short(high)} or more."
            + (f" {deciding} of {len(self.rates)} gates decide by the image: between {least} and {most} of the images "
               "run their block." if self.rates else "")
            + (f" {percent(float((self.left < len(self.exits)).mean()))} leave early." if self.exits else "")
        )  # fmt: skip

    def way(self, number: int) -> str:
        """How an image went, in a few words."""
        words = [f"{self.passed[number]} of {len(self.rates)} gates"] if self.rates else []
        if self.exits:
            words.append(f"left at {[*self.exits, 'the end'][self.left[number]]}")
        return ", ".join(words)


@dataclass(frozen=True)
class Shown:
    """An image with what it cost."""

    name: str
    truth: str
    prediction: str
    macs: int
    way: str
    network_input: Thumbnail | None


def run_costs(contents: RunContents) -> RunCosts | None:
    """What the validation images cost; None: the network has no gates, or the run has kept no decisions."""
    header, predictions = contents.header, contents.predictions
    if header is None or predictions is None or contents.decisions is None:
        return None
    cost = skipping(header.architecture)
    names, decisions = contents.decisions
    if cost is None or set(cost.decisions) != set(decisions):
        return None
    places = {name: number for number, name in enumerate(names)}
    if not all(name in places for name in predictions.names):
        return None
    order = [places[name] for name in predictions.names]
    ordered: Decisions = {name: values[order] for name, values in decisions.items()}
    leaving = tuple(each.decision for each in exits(header.architecture))
    costs = image_costs(cost, ordered)
    gates = [name for name in cost.decisions if name not in leaving]
    passed = np.sum([ordered[name] == 1 for name in gates], axis=0) if gates else np.zeros(len(order), np.int64)
    leave = np.stack([*(ordered[name] == 1 for name in leaving), np.ones(len(order), bool)])
    rates = {name: costs.rates[name] for name in gates}
    return RunCosts(cost, costs, rates, passed, leave.argmax(axis=0), leaving, predictions)


def shown(costs: RunCosts, images: RunImages | None, hardest: bool) -> list[Shown]:
    """The images that cost least, or most; of equal ones the first."""
    order = np.argsort(-costs.images.macs if hardest else costs.images.macs, kind="stable")
    predictions, extremes = costs.predictions, []
    for number in order[:SHOWN].tolist():
        name, truth = predictions.names[number], predictions.classes[predictions.labels[number]]
        image = images.find(name, truth, "validation") if images else None
        small = thumbnail(fit(image, images.header.preprocessing)) if image is not None and images else None
        prediction = predictions.classes[int(predictions.probabilities[number].argmax())]
        extremes.append(Shown(name, truth, prediction, int(costs.images.macs[number]), costs.way(number), small))
    return extremes


def skipping_figures(costs: RunCosts) -> list[str]:
    """How many images run each block, and accuracy by cost, as <svg> elements."""
    drawn = []
    for draw, label in ((draw_rates, "images that run each block"), (draw_costs, "accuracy by mult-adds")):
        with figure(6.2, 3.9) as drawing:
            draw(drawing, costs)
            drawn.append(inline_svg(drawing, label))
    return drawn


def draw_rates(drawing: Any, costs: RunCosts) -> None:
    """A bar for each gate, in the order of the rows: the share of the images that it lets through; without gates, a bar
    for each exit and for the end: the share that leaves there."""
    axes = drawing.subplots()
    names = [name.removesuffix("_gate") for name in costs.rates] or [*costs.exits, "end"]
    at_exits = np.bincount(costs.left, minlength=len(costs.exits) + 1) / max(len(costs.left), 1)
    shares = [rate or 0.0 for rate in costs.rates.values()] or at_exits.tolist()
    places = np.arange(len(names))
    axes.bar(places, [100 * share for share in shares], color=COLORS[0], width=0.8)
    step = max(1, -(-len(names) // LEGIBLE))
    axes.set_xticks(places[::step], names[::step], rotation=0 if len(names) <= UPRIGHT else 90, fontsize=8)
    axes.set_ylim(0, 100)
    axes.set_ylabel("of the images, %")
    axes.set_title("Images that run each block" if costs.rates else "Images that leave at each exit")
    plain_axes(axes)
    axes.grid(visible=False, axis="x")


def draw_costs(drawing: Any, costs: RunCosts) -> None:
    """The images in about ten groups by cost, those of one cost together, a point each: mean mult-adds and accuracy;
    and how many take how many."""
    accuracy, count = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 1.4))
    macs, correct = costs.images.macs / 1e6, costs.correct
    edges = np.unique(np.quantile(macs, np.linspace(0, 1, PARTS + 1)[1:-1], method="inverted_cdf"))
    group = np.searchsorted(edges, macs, side="left")
    parts = [group == number for number in np.unique(group)]
    accuracy.plot([macs[part].mean() for part in parts], [100 * correct[part].mean() for part in parts], "o-",
                  color=COLORS[0], markersize=4)  # fmt: skip
    accuracy.set_ylabel("accuracy, %")
    accuracy.set_title("Accuracy of images by their cost")
    count.hist(macs, bins=min(40, max(8, len(macs) // 20)), color=COLORS[5])
    count.axvline(costs.images.mean / 1e6, color=COLORS[1], linewidth=1.4)
    count.set_ylabel("images")
    count.set_xlabel(f"M mult-adds (all rows: {costs.images.total / 1e6:,.1f})")
    plain_axes(accuracy)
    plain_axes(count)
