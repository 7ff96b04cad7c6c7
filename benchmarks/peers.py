"""The environment that peers are measured in: timm and torchvision, apart from the project's own.

torchvision's published wheel fails to import beside a CPU build of torch, for want of two operators that no classifier
uses. Their schemas, declared first, are enough.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "peers"
PYTHON = HOME / "bin" / "python"
DECLARED = (
    "import torch\n"
    "library = torch.library.Library('torchvision', 'DEF')\n"
    "for name in ('nms', 'qnms'):\n"
    "    library.define(name + '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
)


def environment() -> Path:
    """Makes the environment where it is not there yet, and returns its python."""
    if not (HOME / "ready3").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "torch==2.13.0"], check=True)
        # Without what they ask for: that would be another torch, with CUDA.
        subprocess.run([*pip, "--no-deps", "timm==1.0.31", "torchvision==0.29.1"], check=True)
        needed = ["pyyaml", "huggingface_hub", "safetensors", "pillow", "numpy", "onnx", "onnxscript", "pydantic"]
        subprocess.run([*pip, *needed], check=True)
        (HOME / "ready3").touch()
    return PYTHON
