"""What `count --target` prints: whether a network of 8-bit integers fits a microcontroller."""

from typing import TYPE_CHECKING, Any

from leannet.cli.output import print_text
from leannet.errors import command_line

if TYPE_CHECKING:
    from leannet.microcontrollers import Fit, Target

INDENT = " " * 12


def as_json(fit: "Fit", target: "Target") -> dict[str, Any]:
    """The fit, with the target's memory and whether it is enough."""
    about = {"target": target.name, "target_sram_bytes": target.sram, "target_flash_bytes": target.flash}
    return about | {"fits": fit.fits(target)} | fit.to_dict()


def print_fit(fit: "Fit", target: "Target", what: str) -> None:
    """what: the network as a command names it."""
    about = f"{target.name} ({target.words})" if target.words else target.name
    print_text(f"as int8 in TensorFlow Lite Micro on {about}")
    print_text(f"flash       {fit.flash:,} bytes, the file{_of(fit.flash, target.flash)}", INDENT)
    print_text(
        f"SRAM        {fit.sram:,} bytes{_of(fit.sram, target.sram)}: {fit.activations:,} of activations as its "
        f"planner lays them out, and some {fit.kept:,} kept beside them (an estimate, for 32 bits)",
        INDENT,
    )  # fmt: skip
    where = fit.peak_layer if fit.peak_layer == fit.peak_row else f"{fit.peak_layer} of row {fit.peak_row}"
    print_text(f"peak        at {where}: {fit.live:,} bytes at once", INDENT)
    kinds = ", ".join(f"{number} {kind}" for kind, number in fit.operators.items())
    print_text(f"operators   {kinds}", INDENT)
    if fit.missing:
        print_text(f"missing     TensorFlow Lite Micro has no kernel for {', '.join(fit.missing)}", INDENT)
    if fit.plain:
        print_text(f"plain C++   without a kernel in CMSIS-NN, so slower: {', '.join(fit.plain)}", INDENT)
    if fit.float_layers:
        print_text(f"in float    {', '.join(fit.float_layers)}", INDENT)
    _print_padding(fit, what)
    fits = fit.fits(target)
    room = "" if not fits or target.sram is None else f": {target.sram - fit.sram:,} bytes of SRAM left for the program"
    print_text(f"fits        {'yes' if fits else 'no'}{room}", INDENT)
    if target.source:
        print_text(f"{target.name}: {target.source}; 1 kB is 1,024 bytes")


def _print_padding(fit: "Fit", what: str) -> None:
    rows = f"{len(fit.grown)} layer{'s' if len(fit.grown) != 1 else ''}"
    if fit.grown:
        print_text(
            f"padding     {rows} would need a padded copy of what they read; their filters have a row and a column of "
            f"zeros more instead, for {fit.grown_macs:,} mult-adds",
            INDENT,
        )
    if fit.apart:
        print_text(f"padded      by an operation of its own before {', '.join(fit.apart)}", INDENT)
    if fit.one_sided is not None and (fit.grown or fit.apart):
        print_text(
            f"before training: padding by TensorFlow's rule needs neither, and {fit.one_sided:,} bytes of activations: "
            f"{command_line('rewrite', what)} --rule padding:same",
            INDENT,
        )


def _of(size: int, whole: int | None) -> str:
    return "" if whole is None else f" of {whole:,}"
