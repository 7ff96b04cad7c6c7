"""Artifacts: networks as they are shipped, with all that using them needs; written, opened and checked."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Artifact": ".artifact",
        "check": ".checking",
        "export": ".exporting",
        "open_artifact": ".opening",
    },
)

if TYPE_CHECKING:
    from leannet.artifact.artifact import Artifact as Artifact
    from leannet.artifact.checking import check as check
    from leannet.artifact.exporting import export as export
    from leannet.artifact.opening import open_artifact as open_artifact
