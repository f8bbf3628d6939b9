"""XML from strangers as a small tree with line numbers: entities are refused, nothing outside is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

MAX_BYTES = 64 * 2**20  # some 200,000 objects
MAX_DEPTH = 100


class XmlFault(ValueError):
    """A text that is no XML, or XML that is refused; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


@dataclass(slots=True)
class Element:
    """A tag with the line on which it opens, the pieces of text directly in it, and its children in order."""

    tag: str
    line: int
    texts: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)

    def find_all(self, tag: str) -> Iterator[Element]:
        """The children of that tag, not their descendants."""
        return (child for child in self.children if child.tag == tag)

    def find_text(self, *tags: str) -> str | None:
        """The stripped text at the end of a path of first children, or None where it breaks off."""
        place: Element | None = self
        for tag in tags:
            place = next(place.find_all(tag), None) if place is not None else None
        return None if place is None else "".join(place.texts).strip()


def parse_xml(data: bytes) -> Element:
    """The root element.

    Any declaration of an entity is refused, inner or outer: label files need none, and with them a few lines
    grow to gigabytes ("billion laughs") or fetch files and addresses.

    Raises:
        XmlFault: not well-formed, an entity, a foreign encoding, too large or too deep.
    """
    if len(data) > MAX_BYTES:
        raise XmlFault(1, f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        text = expat.ErrorString(error.code)
        raise XmlFault(error.lineno, f"not well-formed XML: {text} at column {error.offset + 1}") from error
    except XmlFault:
        raise
    except (ValueError, LookupError) as error:
        raise XmlFault(1, f"its encoding cannot be read ({error}); save it as UTF-8") from error
    return builder.root.children[0]


class _Builder:
    """Expat's callbacks, which build the tree."""

    def __init__(self) -> None:
        self.root = Element("", 0)
        self.open = [self.root]
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add_text
        parser.EntityDeclHandler = self._refuse_declaration
        parser.SkippedEntityHandler = self._refuse_entity

    def _start(self, tag: str, attributes: object) -> None:
        if len(self.open) > MAX_DEPTH:
            raise XmlFault(self.parser.CurrentLineNumber, f"tags lie more than {MAX_DEPTH} deep")
        element = Element(tag, self.parser.CurrentLineNumber)
        self.open[-1].children.append(element)
        self.open.append(element)

    def _end(self, tag: str) -> None:
        self.open.pop()

    def _add_text(self, text: str) -> None:
        self.open[-1].texts.append(text)

    def _refuse_declaration(self, name: str, *details: object) -> NoReturn:
        self._refuse_entity(name)

    def _refuse_entity(self, name: str, *details: object) -> NoReturn:
        line = self.parser.CurrentLineNumber
        raise XmlFault(line, f"refused for safety: it uses the entity {name!r}; label files need no entities")
