"""The pages people look at."""

from leannet.reports.comparing import compare
from leannet.reports.run import report

__all__ = ["compare", "report"]
