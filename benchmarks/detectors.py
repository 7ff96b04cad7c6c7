"""The environment that other detectors are built in, with random weights, and their export to ONNX.

Their sources are given, as neither is a package that installs today: YOLOX (github.com/Megvii-BaseDetection/YOLOX) and
NanoDet (github.com/RangiLyu/nanodet), both Apache-2.0.
"""

import subprocess
import sys
from pathlib import Path

from peers import DECLARED, ROOT

HOME = ROOT / ".cache" / "detectors"
PYTHON = HOME / "bin" / "python"
NEEDED = ["onnx==1.23.2", "onnxscript", "numpy", "opencv-python-headless", "loguru", "tabulate", "psutil",
          "pycocotools", "tqdm", "pyyaml", "yacs", "termcolor", "imagesize", "scipy", "matplotlib"]  # fmt: skip
# Without what they ask for: that would be another torch, with CUDA.
ALONE = ["thop", "omegaconf", "antlr4-python3-runtime==4.9.3", "pytorch-lightning", "torchmetrics",
         "lightning-utilities", "lightning-fabric", "fsspec", "packaging", "aiohttp",
         "torchvision==0.29.1"]  # fmt: skip
EXPORT = """
import sys
kind, source, classes, height, width, out = sys.argv[1:]
classes, shape = int(classes), (1, 3, int(height), int(width))
sys.path.insert(0, source)
torch.manual_seed(0)
if kind == "yolox_nano":  # as in exps/default/yolox_nano.py; boxes are decoded outside, as in demo/ONNXRuntime
    from yolox.models import YOLOPAFPN, YOLOX, YOLOXHead
    channels = [256, 512, 1024]
    neck = YOLOPAFPN(0.33, 0.25, in_channels=channels, depthwise=True)
    model = YOLOX(neck, YOLOXHead(classes, 0.25, in_channels=channels, depthwise=True))
    model.head.decode_in_inference = False
else:
    from nanodet.model.arch import build_model
    from nanodet.util import cfg, load_config
    load_config(cfg, f"{source}/config/nanodet-plus-m_320.yml")
    cfg.defrost()
    cfg.model.arch.head.num_classes = cfg.model.arch.aux_head.num_classes = classes
    cfg.model.arch.backbone.pretrain = False
    model = build_model(cfg.model)
model.eval()
names = {"input_names": ["x"], "output_names": ["y"], "opset_version": 11, "dynamo": False}
torch.onnx.export(model, torch.randn(*shape), out, **names)
"""


def environment() -> Path:
    """Makes the environment where it is not there yet, and returns its python."""
    if not (HOME / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "torch==2.13.0", *NEEDED], check=True)
        subprocess.run([*pip, "--no-deps", *ALONE], check=True)
        (HOME / "ready").touch()
    return PYTHON


def exported(kind: str, source: Path, classes: int, height: int, width: int, out: Path) -> Path:
    """A detector as ONNX, with random weights. kind: yolox_nano or nanodet_plus_m."""
    words = [kind, str(source.resolve()), str(classes), str(height), str(width), str(out)]
    code = DECLARED + EXPORT
    subprocess.run([environment(), "-W", "ignore", "-c", code, *words], check=True, stdout=subprocess.DEVNULL)
    return out
