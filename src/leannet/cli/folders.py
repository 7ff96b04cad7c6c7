"""What verbs that are given images say of the other files in folders among them."""

import sys
from collections.abc import Sequence


def say_not_images(images: Sequence[str]) -> list[str]:
    """Their names, which are counted on standard error."""
    from leannet.evaluation.predicted import not_images_among

    others = not_images_among(images)
    if others.names:
        print(f"leannet: {others.line()}", file=sys.stderr)
    return list(others.names)
