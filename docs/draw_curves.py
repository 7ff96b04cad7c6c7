"""Draws the learning curves of a run for these pages. Run: python docs/draw_curves.py RUN NAME"""

import sys
from pathlib import Path

from leannet.header import read_header
from leannet.reports.curves import learning_curves
from leannet.reports.run import read_log


def main() -> None:
    run, name = Path(sys.argv[1]), sys.argv[2]
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    best = read_header(run).metrics["epoch"]
    for what, svg in zip(("accuracy", "loss"), learning_curves(read_log(run / "log.csv"), best), strict=True):
        path = folder / f"{name}_{what}.svg"
        # On its own a picture has no page to take its colour from: grey is legible on light and on dark.
        path.write_text(svg.replace("currentColor", "#808890"))
        print(path.relative_to(folder.parents[1]))


if __name__ == "__main__":
    main()
