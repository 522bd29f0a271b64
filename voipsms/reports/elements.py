"""HTML and SVG elements. Texts are escaped where they are written out, so no name can become markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

_VOID = frozenset({"meta"})  # these have no end
_RAW = frozenset({"style"})  # its content is no text; only our own ever stands there


@dataclass(frozen=True, slots=True)
class Element:
    tag: str
    attributes: dict[str, str]
    content: tuple[Element | str, ...]


def element(tag: str, *content: Element | str, **attributes: object) -> Element:
    """`class_`, `aria_label`, …: as Python must spell `class`, `aria-label`."""
    named = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    return Element(tag, named, content)


def document(root: Element) -> str:
    return f"<!DOCTYPE html>\n{''.join(_written(root))}\n"


def _written(one: Element) -> Iterator[str]:
    attributes = "".join(f' {name}="{_clean(value)}"' for name, value in one.attributes.items())
    yield f"<{one.tag}{attributes}>"
    for piece in one.content:
        if isinstance(piece, Element):
            yield from _written(piece)
        else:
            yield piece if one.tag in _RAW else _clean(piece)
    if one.tag not in _VOID:
        yield f"</{one.tag}>"


def _clean(text: str) -> str:
    """Escaped, and without what no page may have: control characters, halves of surrogate pairs."""
    return escape(text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text))
