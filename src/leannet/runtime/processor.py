"""The machine that something is measured on: no latency is shown without it."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Machine:
    """Processor by name, and how many threads can run at once."""

    processor: str
    cores: int
    system: str

    def line(self) -> str:
        """For a person."""
        return f"{self.processor}, {self.cores} core{'s' if self.cores > 1 else ''}, {self.system}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def machine() -> Machine:
    """This machine. `cores`: those that this process may use."""
    return Machine(_processor(), cores(), platform.system())


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weight_bits() -> int:
    """8, or 7 where this processor adds products of 8 bits in 16, which overflow: x86 without VNNI."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return 8
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return 7  # unknown: what is right everywhere
    return 8 if "vnni" in flags else 7


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model", "Hardware")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
