"""What papers claim: of speed, measured on the user's own machine, and of width and resolution, counted."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Guidelines": ".guideline_study",
        "Sweep": ".sweeps",
        "guidelines": ".guideline_study",
        "sweep": ".sweeps",
    },
)

if TYPE_CHECKING:
    from leannet.studies.guideline_study import Guidelines as Guidelines
    from leannet.studies.guideline_study import guidelines as guidelines
    from leannet.studies.sweeps import Sweep as Sweep
    from leannet.studies.sweeps import sweep as sweep
