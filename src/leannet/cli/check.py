"""leannet check: whether an artifact still gives what it gave."""

from typing import Annotated

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json


def command(
    artifact: Annotated[str, typer.Argument(help="An ONNX file or a folder of leannet export.")],
    engine: Annotated[
        list[str] | None,
        typer.Option(help="onnxruntime, openvino, ncnn, litert. Repeat. Default: all that are here and read it."),
    ] = None,
    json: Json = False,
) -> None:
    """Replay an artifact's golden images in every engine installed here, from image to answer.

    Exits 2 where one of them differs, unless the file itself says that it is wrong there and --engine does not ask for
    it. Example: leannet check runs/photos/model.onnx
    """
    from leannet.artifact import check

    found = check(artifact, engine)
    passed = all(each.passed or each.named for each in found)
    if json:
        print_json({"passed": passed, "checks": [each.to_dict() for each in found]})
    else:
        for each in found:
            print(f"{'ok' if each.passed else 'named' if each.named else 'DIFFERS'}  {each.line()}")
    if not passed:
        raise typer.Exit(2)
