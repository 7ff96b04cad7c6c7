"""Runs and networks side by side: a table, a page, and its pictures."""

from leannet.reports.comparing.comparing import compare, write_page, write_pictures
from leannet.reports.comparing.comparison import Comparison, Timing

__all__ = ["Comparison", "Timing", "compare", "write_page", "write_pictures"]
