"""python -m leannet, and the program `leannet`."""

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Runs the program, see leannet.cli.app. Ctrl-C is one quiet line while that is loading, too."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, _leave)
    from leannet.cli.app import main as program

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    program()


def _leave(number: int, frame: object) -> None:
    os.write(2, b"leannet: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
