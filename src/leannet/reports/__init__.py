"""The pages people look at."""

from leannet.reports.comparison import compare
from leannet.reports.run import report

__all__ = ["compare", "report"]
