"""What papers claim about speed, measured on the user's own machine."""

from leannet.studies.guideline_study import Guidelines, guidelines

__all__ = ["Guidelines", "guidelines"]
