"""The figures of an experiment, each as an <svg> element and as files."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leannet.experiments.running import Experiment, Side
from leannet.looks import embedding_figure, feature_maps_figure
from leannet.looks.embedding import Embedding
from leannet.looks.feature_maps import FeatureMaps
from leannet.looks.tables import write_table
from leannet.reports.curves import PANELS, TRAINING_LINE, VALIDATION_LINE
from leannet.style import COLORS, INK, figure, inline_svg, plain_axes, write_figure

SMOOTHED, FEWEST_STEPS = 60, 5  # points of a training curve, at most, and steps that each is the mean of, at least
CHANNELS = 16  # of a layer that are shown


@dataclass(frozen=True)
class Drawing:
    """One figure. side: 0 or 1 of what belongs to one network, None of what shows both."""

    name: str
    title: str
    side: int | None
    open: Any  # () -> a context manager of the matplotlib figure
    columns: tuple[str, ...]
    lines: tuple[tuple[Any, ...], ...]

    def inline(self) -> str:
        """As an <svg> element whose ids are its own."""
        with self.open() as drawing:
            svg = inline_svg(drawing, self.title)
        for before in ('id="', "url(#", 'href="#'):
            svg = svg.replace(before, f"{before}{self.name}-")
        return svg

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.svg, NAME.png and NAME.csv, and returns their paths."""
        paths = [folder / f"{self.name}{ending}" for ending in (".svg", ".png", ".csv")]
        with self.open() as drawing:
            for path in paths[:2]:
                write_figure(drawing, path)
        write_table(paths[2], self.columns, self.lines)
        return paths


def drawings(experiment: Experiment) -> list[Drawing]:
    """All figures, in the order of the page."""
    figures = [_curve(experiment, name) for name in ("accuracy", "loss")]
    for number, side in enumerate(experiment.sides):
        figures += [_confusion(side, number), _maps(side, number)]
        figures += [_plane(side, side.embedding, number)] if side.embedding else []
    return figures


def _curve(experiment: Experiment, name: str) -> Drawing:
    """Training by step, dashed, and validation by epoch, solid, on one axis of steps."""
    scale, label, *_ = PANELS[name]
    by_step = all(side.steps for side in experiment.sides)
    unit = "step" if by_step else "epoch"
    lines: list[tuple[Any, ...]] = []
    for side in experiment.sides:
        log, length = side.contents.log, side.steps_an_epoch if by_step else 1
        if by_step:
            lines += [(side.label, "training", line.step, getattr(line, name)) for line in side.steps]
        else:
            lines += [(side.label, "training", int(line["epoch"]), line[f"train_{name}"]) for line in log]
        lines += [(side.label, "validation", int(line["epoch"]) * length, line[f"validation_{name}"]) for line in log]

    @contextmanager
    def draw() -> Iterator[Any]:
        with figure(6.4, 3.8) as drawing:
            axes = drawing.subplots()
            for side, color in zip(experiment.sides, COLORS, strict=False):
                every = side.steps_an_epoch if by_step else 1
                if side.steps and by_step:
                    x, y = _smoothed(side, name)
                    axes.plot(x, scale * y, linestyle=TRAINING_LINE, color=color, linewidth=1.4)
                else:
                    epochs = [int(line["epoch"]) for line in side.contents.log]
                    y = [scale * line[f"train_{name}"] for line in side.contents.log]
                    axes.plot(epochs, y, linestyle=TRAINING_LINE, color=color, linewidth=1.4)
                x = [int(line["epoch"]) * every for line in side.contents.log]
                y = [scale * line[f"validation_{name}"] for line in side.contents.log]
                axes.plot(x, y, linestyle=VALIDATION_LINE, color=color, linewidth=1.8, marker="o", markersize=3.5)
            axes.set_title(f"{name.capitalize()} by {unit}: training dashed, validation solid")
            axes.set_xlabel(unit)
            axes.set_ylabel(label)
            plain_axes(axes)
            handles = [axes.plot([], [], color=color, linewidth=2.5)[0] for color in COLORS[:2]]
            legend = drawing.legend(handles, ["a", "b"], loc="outside lower center", ncols=2, frameon=False)
            for text, side in zip(legend.get_texts(), experiment.sides, strict=True):
                text.set_parse_math(False)
                text.set_text(side.label)
            yield drawing

    title = f"{name} by {unit} of both networks"
    return Drawing(f"{name}_by_{unit}", title, None, draw, ("network", "split", unit, name), tuple(lines))


def _smoothed(side: Side, name: str) -> tuple[Any, Any]:
    """Steps and values: the means of groups of steps."""
    values = np.array([getattr(line, name) for line in side.steps])
    steps = np.array([line.step for line in side.steps])
    groups = np.array_split(np.arange(len(values)), max(1, min(SMOOTHED, len(values) // FEWEST_STEPS)))
    return np.array([steps[group].max() for group in groups]), np.array([values[group].mean() for group in groups])


def _confusion(side: Side, number: int) -> Drawing:
    scores = side.predictions.scores
    names = [each.name for each in scores.per_class]
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    @contextmanager
    def draw() -> Iterator[Any]:
        from matplotlib.colors import LinearSegmentedColormap

        with figure(4.6, 4.2) as drawing:
            axes = drawing.subplots()
            tint = LinearSegmentedColormap.from_list("share", ["#ffffff00", COLORS[number]])
            axes.imshow(shares, cmap=tint, vmin=0, vmax=1.25)
            if len(names) <= 10:
                for row, column in np.ndindex(*counts.shape):
                    axes.text(column, row, f"{counts[row, column]}\n{100 * shares[row, column]:.0f} %", ha="center",
                              va="center", color=INK, fontsize=10 if len(names) <= 5 else 7)  # fmt: skip
            shown = names if len(names) <= 20 else []
            rotation = 0 if len(names) <= 4 and max(map(len, names)) <= 10 else 60
            for ticks, turn in ((axes.set_xticks, rotation), (axes.set_yticks, 0)):
                ticks(range(len(shown)), [_cut(name) for name in shown], rotation=turn, parse_math=False)
            axes.set_xlabel("predicted")
            axes.set_ylabel("true")
            axes.set_title(
                f"{_cut(side.label)}: {100 * scores.accuracy:.1f} % of {scores.images:,} correct", parse_math=False
            )
            axes.spines[:].set_alpha(0.25)
            yield drawing

    lines = tuple((truth, prediction, int(counts[i, j])) for i, truth in enumerate(names)
                  for j, prediction in enumerate(names))  # fmt: skip
    name = f"confusion_{'ab'[number]}"
    return Drawing(name, f"confusion matrix of {side.label}", number, draw, ("true", "predicted", "images"), lines)


def _cut(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:6]}…{name[-7:]}"


def _maps(side: Side, number: int) -> Drawing:
    def draw() -> AbstractContextManager[Any]:
        return feature_maps_figure.drawing(side.maps, CHANNELS, columns=8)

    lines = tuple(line for maps in side.maps for line in maps.lines())
    title = f"feature maps of {side.maps[0].layer} in {side.label}"
    return Drawing(f"feature_maps_{'ab'[number]}", title, number, draw, FeatureMaps.COLUMNS, lines)


def _plane(side: Side, embedding: Embedding, number: int) -> Drawing:
    def draw() -> AbstractContextManager[Any]:
        return embedding_figure.drawing(embedding, f"t-SNE: {_cut(side.label)}")

    title = f"t-SNE of two layers of {side.label}"
    lines = tuple(embedding.lines())
    return Drawing(f"tsne_{'ab'[number]}", title, number, draw, embedding.columns, lines)
