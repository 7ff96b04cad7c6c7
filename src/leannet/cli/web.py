"""leannet web: an artifact as a page that runs in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json
from leannet.errors import command_line


def command(
    source: Annotated[
        Path, typer.Argument(help="A run or checkpoint, exported as float32; or an ONNX file of export or quantize.")
    ],
    out: Annotated[Path, typer.Option(help="The site: a new or an empty folder.")],
    samples: Annotated[
        list[Path] | None,
        typer.Option(
            help="An image or a folder of images for visitors to try; repeat the flag for more. Copied unchanged. "
            "Default: the drawn golden images."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page. Default: its classes.")] = None,
    runtime: Annotated[
        Path | None, typer.Option(help="onnxruntime-web, .tgz or unpacked. Default: fetched by npm once, and kept.")
    ] = None,
    webgpu: Annotated[
        bool, typer.Option("--webgpu", help="Visitors may choose WebGPU: 7 MB more for those who do.")
    ] = False,
    integers: Annotated[
        bool,
        typer.Option("--integers", help="8-bit integers, which are smaller and slower: a run's model.int8.onnx."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a site that was made before.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a page that runs the network in its visitors' browsers: camera, files, offline, nothing leaves the device.

    Any web server can serve the folder.

    Example: leannet web runs/photos --out site
    """
    from leannet.web.site import make_site

    site = make_site(source, out, samples, runtime, quiet, title, webgpu, force, integers)
    if json:
        print_json(site.to_dict())
        return
    print(f"{site.path}  {site.files} files, {site.size_bytes / 1e6:.2f} MB, version {site.version}")
    print(f"  {site.precision} on {' and '.join(site.backends)}, {site.runtime}; {site.samples} samples")
    print(f"try next  {command_line('serve', site.path)}")
