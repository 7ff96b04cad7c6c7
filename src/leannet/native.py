"""C code of leannet's own, compiled on this machine where it has a compiler, and kept for the next time.

Only for what no library does: a loop over memory that torch takes several of. Everything works without it.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC")
COMPILERS = ("cc", "gcc", "clang")
TIMEOUT = 60  # seconds
OPENMP = "libgomp.so.1"  # of a second OpenMP each pool of threads would wait for the cores of the other


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """The functions of a C file. None: they cannot be had here, as without Linux, a compiler, or torch's OpenMP."""
    import torch

    openmp = Path(torch.__file__).parent / "lib" / OPENMP
    compiler = compiler_here()
    if not sys.platform.startswith("linux") or compiler is None or not openmp.exists():
        return None
    return _compiled(source, compiler)


def compiler_here() -> str | None:
    """The path of a C compiler: what CC names, or a usual one. None: there is none."""
    named = os.environ.get("CC")
    for name in (named,) if named else COMPILERS:
        if (path := shutil.which(name)) is not None:
            return path
    return None


def _compiled(source: Path, compiler: str) -> ctypes.CDLL | None:
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leannet"
        parts = [source.read_bytes(), _version(compiler), _processor(), " ".join(FLAGS).encode()]
        key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        target = folder / f"{source.stem}-{key}.so"
        if target.exists() and _is_own(target):
            return ctypes.CDLL(str(target))
        with tempfile.TemporaryDirectory() as place:
            made = Path(place) / target.name
            command = [compiler, *FLAGS, "-o", str(made), str(source), "-lm"]
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
            if done.returncode:
                return None
            _keep(made, target)
            return ctypes.CDLL(str(made))
    except (OSError, subprocess.SubprocessError, RuntimeError):  # the last: nobody's home
        return None


def _keep(made: Path, target: Path) -> None:
    """Copies what was compiled to where the next process looks, whole or not at all."""
    part = target.with_name(f"{target.name}.{os.getpid()}")  # several processes may compile at once
    with suppress(OSError):  # then it is compiled anew each time
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(made.read_bytes())
        part.chmod(0o755)
        part.replace(target)


def _is_own(file: Path) -> bool:
    """Whether nobody but the user, or root, may have written a file that is about to be run."""
    status = file.stat()
    return status.st_uid in {0, os.getuid()} and not status.st_mode & 0o022


def _version(compiler: str) -> bytes:
    return subprocess.run([compiler, "--version"], capture_output=True, timeout=TIMEOUT, check=True).stdout


def _processor() -> bytes:
    """What -march=native depends on."""
    lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    return b"\n".join(dict.fromkeys(line for line in lines if line.startswith((b"model name", b"flags", b"Features"))))
