"""The title of a page: the classes that its network knows."""

from collections.abc import Sequence

TITLE_CLASSES, CLASS_CHARACTERS = 3, 24  # classes in a page's default title, and characters of each


def title_of(classes: Sequence[str], task: str) -> str:
    """ "ants or bees", "cat, dog or owl", "cat, dog and 8 more"; of objects, which an image may hold all of, "ants and
    bees".
    """
    short = [name if len(name) <= CLASS_CHARACTERS else name[: CLASS_CHARACTERS - 1].rstrip() + "…" for name in classes]
    if len(short) > TITLE_CLASSES:
        return f"{', '.join(short[: TITLE_CLASSES - 1])} and {len(short) - TITLE_CLASSES + 1} more"
    return (" and " if task == "detect" else " or ").join(filter(None, [", ".join(short[:-1]), short[-1]]))
