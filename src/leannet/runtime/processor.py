"""The machine that something is measured on, without which no latency is shown."""

import os
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")  # Linux has it, other systems do not
# The flags of the instructions that latency depends on, on x86 and on ARM. Of each line the first that is there counts.
VECTORS = (
    {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"},
    {"amx_int8": "AMX"},
    {"avx512_vnni": "VNNI", "avx_vnni": "VNNI", "i8mm": "int8 matrices", "asimddp": "int8 dot products"},
    {"avx512_bf16": "bfloat16", "amx_bf16": "bfloat16", "bf16": "bfloat16"},
)


@dataclass(frozen=True)
class Machine:
    """Processor by name, how many threads can run at once, and its vector instructions ("" where unknown)."""

    processor: str
    cores: int
    system: str
    vectors: str = ""

    def line(self) -> str:
        """For a person."""
        name = f"{self.processor} ({self.vectors})" if self.vectors else self.processor
        return f"{name}, {self.cores} core{'s' if self.cores > 1 else ''}, {self.system}"

    def computes_as(self, other: "Machine") -> bool:
        """Whether both have the same processor, of which a process may have been given any number of cores."""
        return replace(self, cores=other.cores) == other

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def machine() -> Machine:
    """This machine. `cores`: those that this process may use."""
    flags = _cpuinfo("flags", "Features").split()
    vectors = [next((name for flag, name in group.items() if flag in flags), "") for group in VECTORS]
    processor = _cpuinfo("model name", "Model", "Hardware") or platform.processor() or platform.machine()
    return Machine(processor, cores(), platform.system(), ", ".join(filter(None, vectors)))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16; another computes with it too, but slower than with float32."""
    return "bfloat16" in machine().vectors


def weight_bits() -> int:
    """8, or 7 where this processor adds products of 8 bits in 16, which overflow: x86 without VNNI."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return 8
    return 8 if "vnni" in _cpuinfo("flags") else 7  # unknown: what is right everywhere


def _cpuinfo(*names: str) -> str:
    """The first line of one of these names that Linux knows of the processor; "" where there is none."""
    try:
        for line in CPUINFO.read_text().splitlines():
            if line.startswith(names):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""
