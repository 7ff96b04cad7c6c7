"""Hugging Face's hub, asked only by name: `hub:OWNER/NAME`."""

import json
import sys
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError


def fetch(name: str) -> tuple[Path, dict[str, Any]]:
    """A model's file and what its config says of it. Raises LeannetError where it cannot be had."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise LeannetError("hub weights need huggingface_hub: pip install 'leannet[hub]'") from None
    try:
        path = Path(hf_hub_download(name, "model.safetensors"))
        config = json.loads(Path(hf_hub_download(name, "config.json")).read_text(encoding="utf-8"))
    except (OSError, ValueError, HfHubHTTPError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LeannetError(f"hub:{name}: cannot be fetched: {first[:160]}") from None
    print(f"weights of {name} in {path.parent}", file=sys.stderr)
    pretrained = config.get("pretrained_cfg", {})
    about = {key: pretrained[key] for key in ("mean", "std", "license") if pretrained.get(key)}
    about["architecture"] = config.get("architecture", "")
    if config.get("label_names"):
        about["label_names"] = config["label_names"]
    return path, about
