"""The program `leannet`. A verb is one file here; it parses, calls the library, and prints."""

import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from leannet import __version__
from leannet.cli import (
    activations,
    advise,
    attention,
    bench,
    check,
    compare,
    count,
    demo,
    draw,
    embed,
    evaluate,
    export,
    filters,
    find_lr,
    guidelines,
    models,
    predict,
    quantize,
    recipes,
    report,
    serve,
    train,
    web,
)
from leannet.cli.interrupts import between_imports
from leannet.cli.output import STOPPED, begin_output, fail, print_failure
from leannet.cli.streams import lenient_streams
from leannet.errors import LeannetError, nearest
from leannet.retired import FLAGS

# typer shows BadParameter only, and carries its own copy of click, whose place has changed before.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="leannet",
    help="Lightweight convolutional networks: build, count, train, look into and ship them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
VERBS = (
    models, count, draw, compare, guidelines, train, find_lr, recipes, evaluate, predict, report,
    activations, attention, embed, filters,
    export, quantize, check, bench, advise, web, serve, demo,
)  # fmt: skip
for verb in VERBS:
    app.command(name=verb.__name__.rsplit(".", 1)[-1].replace("_", "-"), cls=getattr(verb, "CLASS", TyperCommand))(
        verb.command
    )


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leannet {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> NoReturn:
    """Runs the program. Exits 0 on success, 2 on a user's mistake with one line, 130 on Ctrl-C.

    With --json a failure is one JSON object too: {"error": "..."}. No trouble with printing changes the exit status.
    """
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    begin_output()
    with lenient_streams(), between_imports():
        _run()


def _run() -> NoReturn:
    try:
        program = typer.main.get_command(app)
        with program.make_context("leannet", sys.argv[1:]) as context:
            program.invoke(context)
        sys.exit(0)
    except typer.Exit as end:  # of a verb that has told of its end by itself
        if end.exit_code:
            print_failure("stopped" if end.exit_code == STOPPED else "failed, as standard error says")
        sys.exit(end.exit_code)
    except LeannetError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or ''}: {error.strerror or error}")
    except MemoryError as error:
        fail(f"expected room in memory, found too little ({error}): smaller images or batches take less")
    except ModuleNotFoundError as error:  # on a device that has only what answering needs
        if (error.name or "").split(".")[0] in {"", "leannet"}:
            raise
        fail(f"this needs the package {error.name}: pip install leannet brings it")
    except UsageError as error:
        verb = error.ctx.info_name if error.ctx is not None and error.ctx.parent is not None else None
        message = error.format_message().strip().splitlines()[0].rstrip(".")
        if (new := FLAGS.get(verb or "", {}).get(getattr(error, "option_name", ""))) is not None:
            message = f"{error.option_name} is called {new} now"
        elif not verb and message.startswith("No such command"):
            word = message.split("'")[1]
            message = f"no verb '{word}'; nearest: {nearest(word, [c.name or '' for c in app.registered_commands])}"
        fail(f"{message}; see leannet{f' {verb}' if verb else ''} --help")
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped", STOPPED)
    except Exception as error:  # a fault of this program: its traceback is wanted
        print_failure(f"{type(error).__name__}: {error}")
        raise
