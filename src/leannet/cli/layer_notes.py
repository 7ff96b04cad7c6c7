"""What verbs that take --layer say of a name that Keras or MATLAB gives it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leannet.rows import Architecture


def note_layer(architecture: Architecture, name: str | None, path: str) -> None:
    """One line on standard error where the name is not the layer's own. path: the layer it was found as."""
    from leannet.layer_names import meaning

    line = meaning(architecture, name, path) if name else None
    if line:
        print(f"leannet: {line}", file=sys.stderr)
