"""Hugging Face's hub, used only for a name such as `hub:OWNER/NAME`."""

import json
import sys
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError


def fetch(name: str) -> tuple[Path, dict[str, Any]]:
    """Downloads a model; returns its file and the metadata in its config. Raises LeannetError if that fails."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise LeannetError("hub weights need huggingface_hub: pip install 'leannet[hub]'") from None
    try:
        path = Path(hf_hub_download(name, "model.safetensors"))
        config = json.loads(Path(hf_hub_download(name, "config.json")).read_text(encoding="utf-8"))
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LeannetError(f"hub:{name}: cannot be fetched: {reason[:160]}") from None
    print(f"weights of {name} in {path.parent}", file=sys.stderr)
    pretrained = config.get("pretrained_cfg", {})
    metadata = {key: pretrained[key] for key in ("mean", "std", "license") if pretrained.get(key)}
    if pretrained.get("interpolation"):
        metadata["interpolation"] = pretrained["interpolation"]
    if pretrained.get("crop_pct"):
        metadata["crop_ratio"] = pretrained["crop_pct"]
    metadata["architecture"] = config.get("architecture", "")
    if config.get("label_names"):
        metadata["label_names"] = config["label_names"]
    return path, metadata
