"""leannet check: whether an artifact still answers as it did."""

from typing import Annotated

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json, print_text


def command(
    artifact: Annotated[str, typer.Argument(help="An ONNX file or a folder of leannet export.")],
    engine: Annotated[
        list[str] | None,
        typer.Option(help="onnxruntime, openvino, ncnn, litert. Repeat. Default: all that are here and read it."),
    ] = None,
    json: Json = False,
) -> None:
    """Replay an artifact's golden images in every engine installed here, from image to answer.

    Exits 2 where an engine differs, unless the file itself says that it is wrong there ("known") and --engine does not
    ask for it.

    Example: leannet check runs/photos/model.onnx
    """
    from leannet.artifact import check

    checks = check(artifact, engine)
    passed = all(one.passed or one.known for one in checks)
    if json:
        print_json({"passed": passed, "checks": [one.to_dict() for one in checks]})
    else:
        for one in checks:
            print_text(f"{'ok' if one.passed else 'known' if one.known else 'DIFFERS'}  {one.line()}", "    ")
    if not passed:
        raise typer.Exit(2)
