"""The program `leannet`. A verb is one file here; it parses, calls the library, and prints."""

import sys
from importlib import import_module
from pathlib import Path, PurePath
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from leannet import __version__
from leannet.cli import (
    activations,
    adapt,
    advise,
    attention,
    bench,
    check,
    compare,
    count,
    demo,
    distill,
    draw,
    embed,
    evaluate,
    exits,
    experiment,
    export,
    filters,
    find_lr,
    guidelines,
    latency_table,
    models,
    predict,
    prune,
    quantize,
    recipes,
    reparameterize,
    report,
    rewrite,
    rows,
    search,
    sensitivity,
    serve,
    sparsify,
    train,
    web,
)
from leannet.cli.interrupts import between_imports
from leannet.cli.output import STOPPED, begin_output, fail, print_failure
from leannet.cli.streams import lenient_streams
from leannet.errors import IMPORTED, LeannetError, nearest
from leannet.retired import FLAGS

# typer shows BadParameter only, and carries its own copy of click, whose place has changed before.
UsageError: Any = typer.BadParameter.__base__

SECTIONS: dict[str, dict[ModuleType, str]] = {  # of the help; a line a verb
    "Networks": {
        models: "List the networks of the zoo.",
        rows: "List the kinds of rows, or explain one.",
        count: "Count parameters and mult-adds, or a sweep of them.",
        draw: "Draw networks, or the inside of a row.",
        compare: "Compare networks and runs: accuracy, cost, memory.",
        guidelines: "Measure ShuffleNetV2's four guidelines on this machine.",
    },
    "Training": {
        train: "Train a network on a folder of images.",
        find_lr: "Find a learning rate, by a short test.",
        recipes: "List the recipes of training, or print one as TOML.",
        exits: "Choose how sure an image has to be to leave early.",
        evaluate: "Evaluate a run or an artifact on labelled images.",
        predict: "Predict the classes of images.",
        report: "Write the page of a run.",
        demo: "Train a small network on built-in handwritten digits.",
    },
    "Smaller": {
        reparameterize: "Fold parallel branches, as of MobileOne, into single layers.",
        rewrite: "Rewrite rows by a rule, as dense as separable.",
        prune: "Remove channels and blocks until a budget is met.",
        adapt: "Fit a budget of measured time, step by step (NetAdapt).",
        sensitivity: "Measure what each row alone can lose.",
        sparsify: "Set weights to zero, and train the rest.",
        distill: "Train a run on by a teacher's answers.",
    },
    "Inside a network": {
        activations: "Draw the feature maps of a layer.",
        attention: "Draw what in an image speaks for a class (Grad-CAM).",
        embed: "Draw images in a plane (t-SNE), and list suspect labels.",
        filters: "Draw the kernels of the first convolution.",
        experiment: "Set two runs side by side on one page.",
    },
    "On a device": {
        export: "Export a run as ONNX, or for OpenVINO, ncnn or LiteRT.",
        quantize: "Quantize a run to 8-bit integers.",
        check: "Replay an artifact's golden images in every engine.",
        bench: "Measure latency, in turns.",
        search: "Search a space of networks for your device.",
        latency_table: "Measure every row here or elsewhere, to predict latency.",
        advise: "Find the networks that fit your data and budget.",
        web: "Make a page that runs a network in the browser.",
        serve: "Answer over HTTP.",
    },
}


class Program(TyperGroup):
    """The verbs, listed under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """For --help: a line a verb."""
        for heading, verbs in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(_name(verb), line) for verb, line in verbs.items()])


def _name(verb: ModuleType) -> str:
    return verb.__name__.rsplit(".", 1)[-1].replace("_", "-")


app = typer.Typer(
    name="leannet",
    cls=Program,
    help="Lightweight convolutional networks: build, count, train, inspect and ship them.",
    epilog="leannet VERB --help tells the rest.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verbs in SECTIONS.values():
    for verb in verbs:
        app.command(name=_name(verb), cls=getattr(verb, "CLASS", TyperCommand))(verb.command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leannet {__version__}")
        raise typer.Exit


def _import(modules: list[str]) -> None:
    """Imports the modules that register blocks, those of the working folder too, as `python -m` would."""
    IMPORTED.clear()
    if modules and "" not in sys.path:
        sys.path.insert(0, "")
    for name in modules:
        if name.endswith(".py") or "/" in name or "\\" in name:
            module = PurePath(name).with_suffix("").name
            raise LeannetError(f"--import {name}: expected the name of a module, found a file; give --import {module}, "
                               "in its folder")  # fmt: skip
        try:
            import_module(name)
            IMPORTED.append(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise LeannetError(f"--import {name}: {error}") from error
            raise LeannetError(
                f"--import {name}: no module of this name in {Path.cwd()} or among Python's packages"
            ) from None
        except Exception as error:  # a module of the user's may raise anything while it is imported
            raise LeannetError(f"--import {name}: {type(error).__name__}: {error}") from error


@app.callback()
def _program(
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Import this Python module first, for the blocks that it registers. Stands before the verb. Repeat.",
        ),
    ] = None,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    _import(modules or [])


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
        message = error.format_message().strip().splitlines()[0].rstrip(".").replace("Value error, ", "")
        if (new := FLAGS.get(verb or "", {}).get(getattr(error, "option_name", ""))) is not None:
            message = f"{error.option_name} is called {new} now"
        elif verb and getattr(error, "option_name", "") == "--import":
            message = f"--import stands before the verb: leannet --import MODULE {verb}"
        elif not verb and message.startswith("No such command"):
            word = message.split("'")[1]
            message = f"no verb '{word}'; nearest: {nearest(word, [c.name or '' for c in app.registered_commands])}"
        fail(f"{message}; see leannet{f' {verb}' if verb else ''} --help")
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped", STOPPED)
    except Exception as error:  # a fault of this program: its traceback is wanted
        print_failure(f"{type(error).__name__}: {error}")
        raise
