"""Counters in Prometheus' text format (version 0.0.4)."""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Histogram:
    """Counts of values up to each of some bounds."""

    def __init__(self, bounds: tuple[float, ...]):
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, description: str) -> list[str]:
        """In Prometheus' format."""
        total, lines = 0, _head(name, "histogram", description)
        for bound, count in zip((*self._bounds, None), self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{"+Inf" if bound is None else f"{bound:g}"}"}} {total}')
        return [*lines, f"{name}_sum {self._sum:.6f}", f"{name}_count {total}"]


class Metrics:
    """What the server has done since it started. Each number is written by one thread."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # by path and status
        self.predictions: Counter[str] = Counter()  # by class
        self.seconds = Histogram(SECONDS)  # of answers of /predict, from the request's headers on
        self.batches = Histogram(SIZES)

    def text(self, waiting: int, held_bytes: int, model: Mapping[str, str]) -> str:
        """The text of /metrics. waiting: images accepted and not answered. model: labels that identify the network."""
        lines = _head("leannet_model_info", "gauge", "The network that answers.")
        lines.append(f"leannet_model_info{_labels(**model)} 1")
        lines += _head("leannet_requests_total", "counter", "Requests answered, by path and HTTP status.")
        for (path, status), count in sorted(self.requests.items()):
            lines.append(f"leannet_requests_total{_labels(path=path, status=str(status))} {count}")
        lines += _head("leannet_predictions_total", "counter", "Images by their most likely class.")
        for name, count in sorted(self.predictions.items()):
            lines.append(f"leannet_predictions_total{_labels(**{'class': name})} {count}")
        lines += self.seconds.lines(
            "leannet_request_seconds", "Seconds from the headers of a request to its predictions."
        )
        lines += self.batches.lines("leannet_batch_images", "Images in one run of the network.")
        lines += _gauge("leannet_queue_images", "Images accepted and not answered yet.", waiting)
        lines += _gauge("leannet_held_bytes", "Bodies of requests in memory.", held_bytes)
        if (resident := resident_bytes()) is not None:
            lines += _gauge("process_resident_memory_bytes", "Resident set of the process.", resident)
        return "\n".join(lines) + "\n"


def resident_bytes() -> int | None:
    """The resident memory of this process in bytes. None where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _head(name: str, kind: str, description: str) -> list[str]:
    return [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]


def _gauge(name: str, description: str, value: int) -> list[str]:
    return [*_head(name, "gauge", description), f"{name} {value}"]


def _labels(**pairs: str) -> str:
    """Labels, with backslash, quote and end of line escaped as the format requires."""
    escaped = (
        (name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in pairs.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
