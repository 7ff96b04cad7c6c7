"""Do leannet's rules for other tools' counts give those tools' own totals? Runs them and compares.

    python benchmarks/counters.py

makes an environment of its own (.cache/counters) with thop, ptflops and fvcore, counts a few networks with each, and
writes docs/benchmarks/counters.md. Exits 1 where a rule is off by one.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "counters"
PEERS = ("torch==2.13.0", "thop==0.1.1.post2209072238", "ptflops==0.7.5", "fvcore==0.1.5.post20221221")
OURS = ("pydantic", "safetensors", "numpy")
NETWORKS = (
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2",
    "squeezenet_1_1",
    "resnet18",
    "googlenet_torchvision",
)


def measure() -> None:
    """Inside the environment: prints a line for each network and tool, leannet's count and the tool's."""
    import logging
    import warnings
    from functools import partial

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import ptflops
    import thop
    import torch
    from fvcore.nn import FlopCountAnalysis

    from leannet.cost.conventions import CONVENTIONS, as_counted_by
    from leannet.network import build
    from leannet.zoo import architecture

    by_ptflops = partial(
        ptflops.get_model_complexity_info,
        input_res=(3, 224, 224),
        as_strings=False,
        print_per_layer_stat=False,
        verbose=False,
    )
    for name in NETWORKS:
        rows = architecture(name)
        image = torch.zeros(1, 3, 224, 224)
        analysis = FlopCountAnalysis(build(rows).eval(), image)
        totals = {
            "thop": thop.profile(build(rows).eval(), (image,), verbose=False)[0],
            "ptflops": by_ptflops(build(rows).eval(), backend="pytorch")[0],
            "ptflops-aten": by_ptflops(build(rows).eval(), backend="aten")[0],
            "fvcore": analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total(),
        }
        for tool, theirs in totals.items():
            print(name, tool, as_counted_by(rows, CONVENTIONS[tool])[1], int(theirs))


def main() -> int:
    """Counts with each tool and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # how it calls itself
    if parser.parse_args().measure:
        measure()
        return 0
    python = HOME / "bin" / "python"
    if not (HOME / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        for packages in (PEERS[:1], (*PEERS[1:], *OURS)):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (HOME / "ready").touch()
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    command = [str(python), __file__, "--measure"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines() if len(line.split()) == 4]
    table = ["| network | tool | leannet's rule | the tool |", "|---|---|---:|---:|"]
    table += [f"| `{name}` | {tool} | {int(ours):,} | {int(theirs):,} |" for name, tool, ours, theirs in lines]
    wrong = [line for line in lines if line[2] != line[3]]
    words = f"{len(lines)} totals, {len(wrong)} differ. By `python benchmarks/counters.py`, with {', '.join(PEERS)}.\n"
    page = ROOT / "docs" / "benchmarks" / "counters.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("# Other tools' counts\n\n" + words + "\n" + "\n".join(table) + "\n")
    print(words)
    return 1 if wrong or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
