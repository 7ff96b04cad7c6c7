"""leannet serve: an artifact or a site over HTTP."""

import sys
from typing import Annotated

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json
from leannet.errors import LeannetError
from leannet.serving.limits import Limits

DEFAULT = Limits()


def command(
    what: Annotated[str, typer.Argument(help="An artifact, or a folder of leannet web.")],
    host: Annotated[str, typer.Option(help="0.0.0.0: anybody who can reach this machine may ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.", min=0, max=65535)] = 8000,
    threads: Annotated[int | None, typer.Option(help="Default: as many as there are cores.", min=1)] = None,
    batch: Annotated[int, typer.Option(help="Images that the network takes at once.", min=1)] = DEFAULT.batch,
    queue: Annotated[int, typer.Option(help="Images that wait; more are answered 503.", min=1)] = DEFAULT.queue,
    max_files: Annotated[
        int | None, typer.Option(help=f"Images in one request. Default: {DEFAULT.files}.", min=1)
    ] = None,
    max_mb: Annotated[float, typer.Option(help="Megabytes of one request.")] = DEFAULT.body_bytes / 1e6,
    max_megapixels: Annotated[
        float, typer.Option(help="Of one image, looked at before it is decoded.", max=178)
    ] = DEFAULT.pixels / 1e6,
    timeout: Annotated[float, typer.Option(help="Seconds for a client to deliver a request.")] = DEFAULT.seconds,
    cors: Annotated[
        list[str] | None, typer.Option(help="An origin whose pages may ask, such as https://example.org. Repeat.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every request.")] = False,
    json: Json = False,
) -> None:
    """Answer what is in images over HTTP, and show a site of leannet web, on this machine.

    POST /predict takes images; GET / shows the rest. Ctrl-C stops it. With --json the address is printed as soon as
    it answers.

    Example: leannet serve runs/photos/model.onnx
    """
    from leannet.serving import serve
    from leannet.serving.running import Serving

    body_bytes = _units("--max-mb", max_mb)
    limits = Limits(
        body_bytes=body_bytes,
        pixels=_units("--max-megapixels", max_megapixels),
        files=max_files or min(DEFAULT.files, queue),
        seconds=timeout,
        batch=batch,
        queue=queue,
        held_bytes=max(DEFAULT.held_bytes, 2 * body_bytes),
    )

    def ready(serving: Serving) -> None:
        if json:
            print_json(serving.to_dict())
            sys.stdout.flush()
        print(f"{serving.model} answers at {serving.url}; Ctrl-C stops it", file=sys.stderr, flush=True)

    serve(what, host, port, threads, limits, cors or (), verbose, ready)


def _units(flag: str, millions: float) -> int:
    if not 1e-6 <= millions <= 1e6:
        raise LeannetError(f"{flag}: expected millions, above 0, found {millions:g}")
    return round(1e6 * millions)
