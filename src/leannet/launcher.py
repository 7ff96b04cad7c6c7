"""Communication with a launcher (torchrun, accelerate launch, mpirun): ranks, failures, starting processes.

This is imported for every verb, so torch is imported only where it is needed.
"""

import ctypes
import json
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from leannet.errors import LeannetError

# In accelerate's order: torchrun and accelerate, then Intel MPI and MPICH, Open MPI, MVAPICH.
WORLD = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
LAUNCH = {"launch", "launch.py", "accelerate-launch", "accelerate.commands.launch"}  # a word of accelerate's command
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, from linux/prctl.h
STORE_SECONDS = 10


def world() -> int:
    """How many processes the launcher has started; 1 without a launcher."""
    return _number(WORLD, 1)


def rank() -> int:
    """Which of them this one is, from 0."""
    return _number(RANK, 0)


def _number(names: tuple[str, ...], default: int) -> int:
    values = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in values if value.isdecimal()), default)


def end_with_launcher() -> None:
    """Ends this process when torchrun ends, for whatever reason.

    torchrun starts its processes in sessions of their own, which a signal to its process group does not reach: they
    would go on training without it, and keep the run folder locked. Linux only; elsewhere nothing happens.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL))


def first_failure(message: str) -> tuple[str, bool]:
    """The first failure that this launch reported, and whether it is `message` of this process.

    Processes fail together, often because one did, and only that one's line should be printed. torchrun keeps a store
    that all processes can reach, even before they join and after one has left. Without it each prints its own line.
    """
    if world() == 1 or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return message, True
    key = f"leannet/failed/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    try:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, and not in its list of names

        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=STORE_SECONDS))
        own = f"{rank()} {message}"
        first = store.compare_set(key, "", own).decode()
    except (ImportError, KeyError, ValueError, RuntimeError):  # the store is gone with its launcher
        return message, True
    return first.partition(" ")[2], first == own


def note_failure(message: str) -> None:
    """Writes a failure where torchrun looks for it, so that torchrun's last lines repeat it."""
    error_file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if error_file:
        details = {"py_callstack": message, "timestamp": str(int(time.time()))}
        try:
            Path(error_file).write_text(json.dumps({"message": {"message": message, "extraInfo": details}}))
        except OSError as error:
            print(f"leannet: {error_file}: cannot be written ({error.strerror})", file=sys.stderr)


def is_left_alone() -> bool:
    """Whether `accelerate launch` was asked for several processes but started only this one.

    It does so without GPUs and MPI: it then sets a master address, but no number of processes.
    """
    by_accelerate = {"ACCELERATE_USE_CPU", "ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys()
    return by_accelerate and not any(name in os.environ for name in (*WORLD, "LOCAL_RANK"))


def check_not_left_alone() -> None:
    """Raises LeannetError if `accelerate launch` has started one process instead of several."""
    if is_left_alone():
        raise LeannetError(
            "expected the several processes that accelerate launch was asked for, found one, as it starts without "
            "GPUs; start them with torchrun --nproc-per-node N"
        )


def start_the_others() -> NoReturn:
    """Starts the processes that `accelerate launch` was asked for, with this program's command, and waits for them.

    Raises LeannetError if their number cannot be determined.
    """
    count, threads_are_set = _asked_of_accelerate()
    print(
        f"leannet: accelerate launch has started one process of {count}, as it does without GPUs; "
        f"torchrun starts all {count}",
        file=sys.stderr,
        flush=True,
    )
    for name in ("MASTER_ADDR", "MASTER_PORT", *([] if threads_are_set else ["OMP_NUM_THREADS"])):
        os.environ.pop(name, None)
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main(["--standalone", "--nproc-per-node", str(count), "-m", "leannet", *sys.argv[1:]])
    except ChildFailedError as error:
        sys.exit(error.get_first_failure()[1].exitcode if error.failures else 1)
    except SignalException:
        sys.exit(130)
    sys.exit(0)


def _asked_of_accelerate() -> tuple[int, bool]:
    """The number of processes, and whether threads were set too, from the launcher's own command line."""
    import psutil  # type: ignore[import-untyped]  # of accelerate
    from accelerate.commands.launch import launch_command_parser

    try:
        parent = psutil.Process(os.getppid())
        words, environment = parent.cmdline(), parent.environ()
        start = next(number for number, word in enumerate(words) if Path(word).name in LAUNCH) + 1
        arguments = launch_command_parser().parse_args(words[start:])
    except (psutil.Error, StopIteration, SystemExit):
        arguments = None
    if arguments is None or (arguments.num_processes or 0) < 2 or (arguments.num_machines or 1) > 1:
        check_not_left_alone()
        raise LeannetError("expected accelerate launch --num_processes N on one machine, found another command")
    return (
        arguments.num_processes,
        arguments.num_cpu_threads_per_process is not None or "OMP_NUM_THREADS" in environment,
    )
