"""python -m leannet, and the program `leannet`: Ctrl-C is one quiet line while even the program is still loading."""

from typing import NoReturn

from leannet.cli.interrupts import STOPPED, between_imports
from leannet.cli.output import fail


def main() -> NoReturn:
    """Runs the program, see leannet.cli.app."""
    try:
        with between_imports():
            from leannet.cli.app import main as program

            program()
    except KeyboardInterrupt:
        fail("stopped", STOPPED)


if __name__ == "__main__":
    main()
