"""leannet web: an artifact as a page that runs in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json
from leannet.errors import command_line


def command(
    artifact: Annotated[Path, typer.Argument(help="An ONNX file of leannet export or leannet quantize.")],
    out: Annotated[Path, typer.Option(help="The site: a new or an empty folder.")],
    samples: Annotated[
        list[Path] | None,
        typer.Option(help="An image, or a folder of them, for visitors to try. Repeat. They are copied as they are."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page. Default: the architecture's name.")] = None,
    runtime: Annotated[
        Path | None, typer.Option(help="onnxruntime-web, .tgz or unpacked. Default: fetched by npm once, and kept.")
    ] = None,
    webgpu: Annotated[
        bool, typer.Option("--webgpu", help="Visitors may choose WebGPU: 7 MB more for those who do.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a site that was made before.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a page that runs the network in its visitors' browsers: camera, files, offline, nothing leaves the device.

    Any web server can serve the folder.

    Example: leannet web runs/photos/model.onnx --out site
    """
    from leannet.web.site import make_site

    found = make_site(artifact, out, samples, runtime, quiet, title, webgpu, force)
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.files} files, {found.size_bytes / 1e6:.2f} MB, version {found.version}")
    print(f"  {found.precision} on {' and '.join(found.backends)}, {found.runtime}; {found.samples} samples")
    print(f"try next  {command_line('serve', found.path)}")
