"""HTML and SVG elements. Texts are escaped where they are written out, so no name can become markup."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Content = Element | str


def element(tag: str, *content: Content, **attributes: object) -> Element:
    """`class_`, `aria_label`, …: as Python must spell `class`, `aria-label`."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): clean(str(value)) for name, value in attributes.items()})
    for piece in content:
        if isinstance(piece, Element):
            made.append(piece)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + clean(piece)
        else:
            made.text = (made.text or "") + clean(piece)
    return made


def clean(text: str) -> str:
    """Without what no browser may show: control characters, halves of surrogate pairs."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def document(root: Element) -> str:
    return f"<!DOCTYPE html>\n{ElementTree.tostring(root, encoding='unicode', method='html')}\n"
