"""Microcontrollers by name, and amounts of memory as people write them. A kB has 1,024 bytes, as in data sheets."""

import re
from dataclasses import dataclass

from leannet.errors import LeannetError, nearest

UNITS = {"b": 1, "kb": 1024, "kib": 1024, "k": 1024, "": 1024, "mb": 1024**2, "mib": 1024**2, "m": 1024**2}
AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A microcontroller, or an amount of memory alone. sram, flash: bytes; None: not said. source: of the figures."""

    name: str
    words: str
    sram: int | None
    flash: int | None
    source: str = ""


def _chip(name: str, words: str, sram_kb: int, flash_kb: int | None, source: str) -> Target:
    return Target(name, words, 1024 * sram_kb, None if flash_kb is None else 1024 * flash_kb, source)


# Flash that is a chip of its own on the board is that of the maker's board, named in `words`.
TARGETS = {
    target.name: target
    for target in (
        _chip("nrf52840", "Cortex-M4F, 64 MHz: Arduino Nano 33 BLE Sense", 256, 1024, "Nordic, nRF52840 specification"),
        _chip("rp2040", "two Cortex-M0+, 133 MHz: Raspberry Pi Pico", 264, 2048, "Raspberry Pi, RP2040 data sheet"),
        _chip("rp2350", "two Cortex-M33, 150 MHz: Raspberry Pi Pico 2", 520, 4096, "Raspberry Pi, RP2350 data sheet"),
        _chip("stm32f412", "Cortex-M4F, 100 MHz", 256, 1024, "ST, STM32F412xE/G data sheet"),
        _chip("stm32f746", "Cortex-M7, 216 MHz: Discovery board", 320, 1024, "ST, STM32F745xx/746xx data sheet"),
        _chip("stm32f765", "Cortex-M7, 216 MHz", 512, 2048, "ST, STM32F765xx data sheet"),
        _chip("stm32h743", "Cortex-M7, 480 MHz; its largest block of memory", 512, 2048, "ST, STM32H743xI data sheet"),
        _chip("stm32l4r5", "Cortex-M4F, 120 MHz: MLPerf Tiny's board", 640, 2048, "ST, STM32L4R5xx data sheet"),
        _chip("esp32", "two Xtensa LX6, 240 MHz, WROOM-32 module", 520, 4096, "Espressif, ESP32 data sheet"),
        _chip("esp32s3", "two Xtensa LX7, 240 MHz, WROOM-1 module", 512, 8192, "Espressif, ESP32-S3 data sheet"),
    )
}


def memory(text: str, flag: str) -> int:
    """Bytes of an amount as 256kB, 1MB or 320; without a unit it is kB. flag: for messages.

    Raises LeannetError for what is no amount above 0.
    """
    match = AMOUNT.fullmatch(text.strip())
    size = 0
    if match is not None and match[2].lower() in UNITS:
        size = int(float(match[1]) * UNITS[match[2].lower()])
    if not size:
        raise LeannetError(f"{flag} {text}: expected an amount of memory, as 256kB or 1MB")
    return size


def target(text: str, flag: str = "--target") -> Target:
    """A microcontroller by name, or one with so much SRAM, as 256kB. Raises LeannetError for what is neither."""
    key = re.sub(r"[\s_-]", "", text).lower()
    if key in TARGETS:
        return TARGETS[key]
    if text[:1].isdigit():
        return Target(text, "", memory(text, flag), None)
    raise LeannetError(
        f"{flag} {text}: no such microcontroller; nearest: {nearest(key, TARGETS)}; or its SRAM, as 256kB; "
        f"all: {', '.join(TARGETS)}"
    )
