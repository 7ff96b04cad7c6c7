"""`sensitivity`: what each row alone can lose, and what that costs: accuracy against the share of its channels.

The curves can guide a pruning: a step's price is then what the loss was measured to rise by, not what was estimated.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leannet.checkpoint import load_shipped
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import checkpoint_file
from leannet.rows.channels import channels
from leannet.shrink.choosing import check_names, matching
from leannet.shrink.continuing import check_classes, training_settings
from leannet.shrink.criteria import score
from leannet.shrink.curves import Curve, Sensitivity, key_of
from leannet.shrink.images import Images, narrow_network
from leannet.shrink.names import Criterion
from leannet.shrink.plan import digest_of
from leannet.shrink.widths import widths
from leannet.training.job import prepare
from leannet.training.reading import Reader

RATIOS = (0.25, 0.5, 0.75)
IMAGES = 1024


def sensitivity(
    run: str | Path,
    data: str | None = None,
    *,
    ratios: Sequence[float] = RATIOS,
    criterion: Criterion = "taylor",
    rows: Sequence[str] = (),
    keep: Sequence[str] = (),
    images: int = IMAGES,
    quiet: bool = False,
) -> Sensitivity:
    """Accuracy and loss of a run without a share of the channels of one row at a time, never trained.

    ratios: the shares that go, each above 0 and below 1. criterion: by which they are chosen. rows, keep: as for
    `prune`. images: training images that all is measured on; batch norm has its statistics of them anew each time.
    Raises LeannetError for ratios outside, unknown rows, and data that cannot be used.
    """
    if not ratios or any(not 0 < ratio < 1 for ratio in ratios):
        raise LeannetError(
            f"--ratios: expected shares above 0 and below 1, found {', '.join(map(str, ratios)) or 'none'}"
        )
    file, console = checkpoint_file(run), Console(quiet)
    source = load_shipped(file)
    job = prepare(training_settings(file, data, {}), Reader(), console, source)
    check_classes(job, source[1], file)
    some, network = Images(job, images, console), job.network.eval()
    tied = channels(network.architecture)
    scores = score(network, tied, criterion, some.batches(f"scores of {criterion}"), some.objective)
    check_names((*rows, *keep), network.architecture)
    chosen = matching(widths(tied), rows, keep)
    if not chosen:
        raise LeannetError(
            f"{network.architecture.name}: expected a row that could become narrower, found none; why: leannet prune "
            "--explain ROW"
        )
    accuracy, loss = some.accuracy_and_loss(network, "the whole network")
    steps = [(width, ratio) for width in chosen for ratio in sorted(ratios)]
    points: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    with console.bar(len(steps)):
        for number, (width, ratio) in enumerate(steps, start=1):
            label = f"{width.row} without {100 * ratio:.0f} %"
            console.advance(number - 1, label, f"{number:,} of {len(steps):,}")
            order = width.groups[np.argsort(scores[width.groups], kind="stable")]
            gone = order[: min(round(ratio * len(order)), len(order) - 1)].tolist()
            smaller = some.settle(narrow_network(network, tied, gone), None)
            points.setdefault(key_of(width), []).append((ratio, *some.accuracy_and_loss(smaller, None)))
    curves = tuple(
        Curve(width.row, len(width.groups) * width.each, len(width.groups), int(width.groups[0]),
              *(tuple(column) for column in zip(*points[key_of(width)], strict=True)))
        for width in chosen
    )  # fmt: skip
    architecture = network.architecture
    return Sensitivity(architecture.name, digest_of(architecture), criterion, some.number, accuracy, loss, curves)
