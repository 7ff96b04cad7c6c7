"""What a processor says of itself, read from the files that four of them give out."""

import platform
from pathlib import Path

import pytest

from leannet.runtime import machine, processor

ZEN_3 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse4_2 avx avx2 fma\n"
ZEN_4 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: avx avx2 avx512f avx512_bf16 avx512_vnni\n"
SAPPHIRE_RAPIDS = "model name\t: Intel(R) Xeon(R)\nflags\t\t: avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5\n"


@pytest.mark.parametrize(
    ("text", "name", "bits"),
    [
        (ZEN_3, "AMD EPYC (AVX2)", 7),
        (ZEN_4, "AMD EPYC (AVX-512, VNNI, bfloat16)", 8),
        (SAPPHIRE_RAPIDS, "Intel(R) Xeon(R) (AVX-512, AMX, VNNI, bfloat16)", 8),
    ],
)
def test_two_processors_of_one_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, bits: int
) -> None:
    _here(tmp_path, monkeypatch, text, "x86_64")
    assert machine().line().startswith(f"{name}, ")
    assert processor.weight_bits() == bits


def test_arm_has_dot_products_of_8_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _here(tmp_path, monkeypatch, ARM, "aarch64")
    assert machine().vectors == "NEON, int8 dot products"
    assert processor.weight_bits() == 8


def test_where_no_file_says_so_weights_have_what_is_right_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert machine().vectors == ""
    assert machine().processor
    assert processor.weight_bits() == 7


def _here(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: str) -> None:
    file = folder / "cpuinfo"
    file.write_text(text)
    monkeypatch.setattr(processor, "CPUINFO", file)
    monkeypatch.setattr(platform, "machine", lambda: kind)
