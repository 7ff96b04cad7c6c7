"""The memory that a network takes to run, measured in a process of its own, which does nothing else."""

import subprocess
import sys
import tempfile
from pathlib import Path

from leannet.errors import LeannetError
from leannet.runtime.engines import ENGINES
from leannet.runtime.programs import Program

# Loads the engine, then the network, runs it, and prints by how much the process grew at most.
_CODE = """
import resource, sys
from pathlib import Path
import numpy as np
from leannet.rows import Architecture
from leannet.runtime.engines import engine
from leannet.runtime.programs import Program
folder, name, threads, batch = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5])
input, form, compute, branches = sys.argv[5:]
architecture = Architecture.load(folder / "rows.json")
chosen = engine(name)
channels, *size = architecture.input.shape
image = {"uint8": (64, 64, channels), "uint8-sized": (*size, channels)}.get(input)
x = np.zeros((batch, *(image or (channels, *size))), "uint8" if image else "float32")
def resident():
    lines = (line.split() for line in open("/proc/self/status"))
    return {line[0]: 1024 * int(line[1]) for line in lines if line[0] in ("VmRSS:", "VmHWM:")}
before = resident()["VmRSS:"]
chosen.prepare(Program.of_folder(architecture, form, folder, compute, branches or None), threads)(x)
print(resident()["VmHWM:"] - before)
"""


def peak_memory(program: Program, engine: str, threads: int = 1, batch: int = 1, input: str = "float32") -> int | None:
    """Bytes that loading and running a network adds to a process at most; None where the system does not say.

    input: as of an artifact: float32, int8, uint8 (of any size) or uint8-sized. None for torch, which reads no files.
    """
    form = ENGINES[engine].reads(program)
    if not form or not Path("/proc/self/status").exists():
        return None
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "rows.json").write_text(program.architecture.to_json(), encoding="utf-8")
        program.write(form, folder)
        arguments = [str(folder), engine, str(threads), str(batch), input, form, program.compute]
        arguments.append(program.branches or "")
        done = subprocess.run([sys.executable, "-c", _CODE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LeannetError(f"{program.architecture.name} in {engine}: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout)
