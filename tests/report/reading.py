"""Read a page strictly: what a browser would repair in silence is an error here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser

VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
    *("source", "track", "wbr"),
}
# A browser closes an open <p> before these.
CLOSES_P = frozenset(
    [
        "article",
        "aside",
        "dl",
        "div",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    ]
)
PARENTS = {
    "li": {"ul", "ol"},
    "dt": {"dl", "div"},
    "dd": {"dl", "div"},
    "caption": {"table"},
    "thead": {"table"},
    "tbody": {"table"},
    "tr": {"thead", "tbody"},
    "th": {"tr"},
    "td": {"tr"},
    "figcaption": {"figure"},
}


@dataclass(eq=False)
class Node:
    """An element, with its contents in order."""

    tag: str
    attributes: dict[str, str]
    parent: Node | None = None
    contents: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside."""
        return "".join(one if isinstance(one, str) else one.text for one in self.contents)

    @property
    def children(self) -> list[Node]:
        return [one for one in self.contents if isinstance(one, Node)]

    @property
    def above(self) -> Iterator[Node]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Node]:
        """Give every element inside of this tag, with these attributes (class_ for class)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            node
            for node in self.walk()
            if node.tag == tag and wanted.items() <= node.attributes.items()
        ]

    def one(self, tag: str, **attributes: str) -> Node:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    def section(self, anchor: str) -> Node:
        return self.one("section", id=anchor)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = self.root
        self.errors: list[str] = []
        self.declared: list[str] = []

    def error(self, text: str) -> None:
        self.errors.append(f"line {self.getpos()[0]}: {text}")

    @property
    def in_svg(self) -> bool:
        return self.open.tag == "svg" or any(node.tag == "svg" for node in self.open.above)

    def handle_decl(self, decl: str) -> None:
        self.declared.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.error(f"<![{data}")

    def handle_pi(self, data: str) -> None:
        self.error(f"<?{data}")

    def _enter(self, tag: str, attrs: list[tuple[str, str | None]]) -> Node:
        names = [name for name, _ in attrs]
        for name in {name for name in names if names.count(name) > 1}:
            self.error(f"<{tag}> has {name} more than once")
        for name in names:
            if not re.fullmatch(r"[a-z][a-z0-9:-]*", name):
                self.error(f"<{tag}> has an attribute {name!r}")
        if tag in CLOSES_P and "p" in [self.open.tag, *(node.tag for node in self.open.above)]:
            self.error(f"<{tag}> inside <p>")
        if tag in PARENTS and self.open.tag not in PARENTS[tag]:
            self.error(f"<{tag}> inside <{self.open.tag}>")
        node = Node(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.contents.append(node)
        return node

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = self._enter(tag, attrs)
        if tag not in VOID:
            self.open = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.in_svg and tag not in VOID:
            self.error(f"<{tag}/> does not close itself in HTML")
        self._enter(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag != self.open.tag:
            self.error(f"</{tag}> where <{self.open.tag}> is open")
        elif self.open.parent is not None:
            self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        self.open.contents.append(data)


@lru_cache(maxsize=8)
def read(page: str) -> Node:
    """Give the page's tree; fail where tags do not balance or stand where they may not."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if reader.open is not reader.root:
        reader.errors.append(f"<{reader.open.tag}> is never closed")
    assert reader.errors == []
    assert reader.declared == ["DOCTYPE html"]
    assert [node.tag for node in reader.root.children] == ["html"]
    return reader.root


def variables(css: str, before: str) -> dict[str, str]:
    """Give the colours that the first `:root` after `before` defines."""
    start = css.index(before) + len(before)
    found = re.search(r":root\s*\{([^}]*)\}", css[start:])
    assert found is not None
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", found[1]))


def mixed(strong: str, weak: str, percent: int) -> str:
    """Mix two colours as color-mix(in srgb, ...) does."""
    both = zip(_channels(strong), _channels(weak), strict=True)
    return "#" + "".join(
        f"{round((one * percent + other * (100 - percent)) / 100):02x}" for one, other in both
    )


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of WCAG 2.2 of two colours."""
    dark, light = sorted([_luminance(one), _luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def _channels(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def _luminance(colour: str) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
