"""What a launcher (torchrun, accelerate launch, mpirun) says to its processes, and what they say to it.

The program asks before it knows its verb, so torch is loaded only where it is needed.
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

# In the order in which accelerate looks: torchrun and accelerate, then Intel MPI and MPICH, Open MPI, MVAPICH.
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


def _number(names: tuple[str, ...], otherwise: int) -> int:
    values = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in values if value.isdecimal()), otherwise)


def end_with_launcher() -> None:
    """Ends this process when torchrun ends, however that happens.

    torchrun starts its processes in sessions of their own, so a signal to its process group does not reach them: they
    would train on without it, and hold the run's folder. Linux only; elsewhere nothing happens.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL))


def first_failure(message: str) -> tuple[str, bool]:
    """The failure of this launch that was told of first, and whether it is this process's `message`.

    The processes fail together, often because one did, and only that one's line is wanted. torchrun keeps a store that
    all can reach, before they have met and after one has left. Without that store each speaks for itself.
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
    except (ImportError, KeyError, ValueError, RuntimeError):  # the store has gone with its launcher
        return message, True
    return first.partition(" ")[2], first == own


def note_failure(message: str) -> None:
    """Puts a failure where torchrun looks for it, so that its own last lines repeat it."""
    place = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if place:
        details = {"py_callstack": message, "timestamp": str(int(time.time()))}
        try:
            Path(place).write_text(json.dumps({"message": {"message": message, "extraInfo": details}}))
        except OSError as error:
            print(f"leannet: {place}: cannot be written ({error.strerror})", file=sys.stderr)


def is_left_alone() -> bool:
    """Whether `accelerate launch` was asked for several processes and has started only this one.

    That is what it does without GPUs and without MPI: it sets an address to meet at, and no number of processes.
    """
    by_accelerate = {"ACCELERATE_USE_CPU", "ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys()
    return by_accelerate and not any(name in os.environ for name in (*WORLD, "LOCAL_RANK"))


def check_not_left_alone() -> None:
    """Raises LeannetError where `accelerate launch` has started one process instead of several."""
    if is_left_alone():
        raise LeannetError(
            "accelerate launch was asked for several processes and has started one, as it does without GPUs; "
            "start them with torchrun --nproc-per-node N"
        )


def start_the_others() -> NoReturn:
    """Starts the processes that `accelerate launch` was asked for, this program's command in each, and waits for them.

    Raises LeannetError where it cannot be found out how many they are to be.
    """
    count, threads_are_chosen = _asked_of_accelerate()
    print(
        f"leannet: accelerate launch has started one process of {count}, as it does without GPUs; "
        f"torchrun starts all {count}",
        file=sys.stderr,
        flush=True,
    )
    for name in ("MASTER_ADDR", "MASTER_PORT", *([] if threads_are_chosen else ["OMP_NUM_THREADS"])):
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
    """How many processes, and whether their threads were chosen too: from the launcher's own command."""
    import psutil  # type: ignore[import-untyped]  # of accelerate
    from accelerate.commands.launch import launch_command_parser

    try:
        parent = psutil.Process(os.getppid())
        words, environment = parent.cmdline(), parent.environ()
        start = next(number for number, word in enumerate(words) if Path(word).name in LAUNCH) + 1
        asked = launch_command_parser().parse_args(words[start:])
    except (psutil.Error, StopIteration, SystemExit):
        asked = None
    if asked is None or (asked.num_processes or 0) < 2 or (asked.num_machines or 1) > 1:
        check_not_left_alone()
        raise LeannetError("expected accelerate launch --num_processes N on one machine, found another command")
    return asked.num_processes, asked.num_cpu_threads_per_process is not None or "OMP_NUM_THREADS" in environment
