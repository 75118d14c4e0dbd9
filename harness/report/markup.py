"""HTML that cannot forget to escape: text is escaped, only what was made here is not. Used by html and plots."""

from __future__ import annotations

from html import escape


class Html(str):
    """Text that is HTML already."""


def tag(name: str, /, *content: str | None, **attributes: str | int | bool | None) -> Html:
    """An element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``, None and False are left out."""
    opened = name
    for key, value in attributes.items():
        if value is True:
            opened += f" {key}"
        elif value is not None and value is not False:
            opened += f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
    if name in ("br", "meta", "hr"):
        return Html(f"<{opened}>")
    return Html(f"<{opened}>{joined(*content)}</{name}>")


def joined(*content: str | None) -> Html:
    """Pieces one after the other; None is nothing."""
    return Html("".join(piece if isinstance(piece, Html) else escape(piece) for piece in content if piece is not None))
