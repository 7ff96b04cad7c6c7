"""The pages people look at."""

from leannet.reports.run import report

__all__ = ["report"]
