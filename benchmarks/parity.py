"""Whether the zoo's modern networks are timm's: the same weights, drawn by name, in both, in float64.

    python benchmarks/parity.py            # ten minutes, in an environment that it makes for timm

Each of timm's models is filled with numbers that depend on the names of its tensors alone, and answers for one image of
128 px; `read_weights` reads the same file, by the family's map. Says the largest difference of the logits over the
largest of them, and exits with 1 if one is above 1e-9 or a number of parameters differs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from parity_run import fill, image
from peers import environment
from safetensors.torch import save_file

from leannet.weights import read_weights

# timm's name: ours, and the width.
MODELS: dict[str, tuple[str, float]] = {
    **{f"mobilenetv4_conv_{size}": (f"mobilenet_v4_conv_{size}", 1) for size in ("small", "medium", "large")},
    **{f"mobilenetv4_conv_small_{width:03}": ("mobilenet_v4_conv_small", width / 100) for width in (35, 50)},
    **{f"lcnet_{width:03}": ("lcnet", width / 100) for width in (35, 50, 75, 100, 150)},
    **{f"tinynet_{letter}": (f"tinynet_{letter}", 1) for letter in "abcde"},
    **{f"mnasnet_{width:03}": ("mnasnet_b1", width / 100) for width in (50, 75, 100, 140)},
    **{f"semnasnet_{width:03}": ("mnasnet_a1", width / 100) for width in (50, 75, 100, 140)},
    "mnasnet_small": ("mnasnet_small", 1),
    **{f"efficientnet_lite{number}": (f"efficientnet_lite{number}", 1) for number in range(5)},
    **{f"efficientnet_b{number}": (f"efficientnet_b{number}", 1) for number in range(2)},
    "fbnetc_100": ("fbnet_c", 1), "spnasnet_100": ("spnasnet", 1), "hardcorenas_a": ("hardcorenas_a", 1),
    **{f"ghostnet_{width:03}": ("ghostnet_v1", width / 100) for width in (50, 100, 130)},
    **{f"ghostnetv2_{width:03}": ("ghostnet_v2", width / 100) for width in (100, 130, 160)},
    **{f"repghostnet_{width:03}": ("repghostnet", width / 100) for width in (50, 58, 80, 100, 111, 130, 150, 200)},
    **{f"mobileone_s{number}": (f"mobileone_s{number}", 1) for number in range(5)},
    "repvit_m0_9": ("repvit_m0_9", 1), "repvit_m1": ("repvit_m1", 1),
    **{f"starnet_s{number}": (f"starnet_s{number}", 1) for number in (1, 2, 3)},
    **{f"fasternet_t{number}": (f"fasternet_t{number}", 1) for number in (0, 1)},
}  # fmt: skip
CLOSE = 1e-9


def main() -> None:
    """Compares all."""
    runner = Path(__file__).with_name("parity_run.py")
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        answers = Path(place) / "timm.jsonl"
        subprocess.run([environment(), runner, answers, *MODELS], check=True)
        for line in answers.read_text().splitlines():
            theirs = json.loads(line)
            name, width = MODELS[theirs["model"]]
            file = Path(place) / f"{theirs['model']}.safetensors"
            save_file(fill(theirs["state"]), file)
            network = read_weights(file, name, width, say=lambda text: None)[0].double()
            with torch.no_grad():
                logits = network(image())[0].numpy()
            expected = np.array(theirs["logits"])
            difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
            same = difference < CLOSE and sum(each.numel() for each in network.parameters()) == theirs["params"]
            wrong += not same
            print(f"{'same' if same else 'DIFFERS'}  {theirs['model']}  {name} {width:g}  {difference:.1e}", flush=True)
    print(f"{len(MODELS) - wrong} of {len(MODELS)} are the same")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
