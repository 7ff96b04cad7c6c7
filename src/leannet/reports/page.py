"""A page from its template: one file that fetches nothing. base.html.j2 and page.css.j2 are what pages share."""

from typing import Any


def render(template: str, **contents: Any) -> bytes:
    """The page of a template in this folder, as UTF-8. Text is escaped: names may hold anything."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("leannet.reports", ""),
        autoescape=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"percent": percent, "short": short, "short_bytes": short_bytes, "middle": middle}
    # A file name need not be text: bytes that are none become question marks.
    return environment.get_template(template).render(**contents).encode(errors="replace")


def percent(share: float, digits: int = 1) -> str:
    """A share in percent: 0.928 is "92.8 %"."""
    return f"{100 * share:.{digits}f} %"


def middle(name: str, most: int) -> str:
    """A name of at most so many letters: a longer one is cut in the middle, as both ends tell names apart."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def short(number: float) -> str:
    """A large number in three figures, which no line breaks: 56,510,400 is "56.5 M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}\N{NO-BREAK SPACE}{letter}"
    return f"{number:g}"


def short_bytes(number: float) -> str:
    """Bytes in three figures."""
    return f"{short(number)}B" if number >= 1000 else f"{number:g}\N{NO-BREAK SPACE}B"
