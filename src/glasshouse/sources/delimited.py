"""Tables as text, comma-separated or as a spreadsheet writes them: header, rows with their lines, faults."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from glasshouse.sources.example import LabelFault, SourceError
from glasshouse.sources.listing import abridge
from glasshouse.sources.texts import UnreadableText, read_text

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
TYPO = 0.8  # likeness from which on an unknown column is taken for a misspelt one


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its last line in the file (from 1), and its cells, stripped, by the columns' own names."""

    line: int
    cells: dict[str, str]


class Table:
    """A table of known columns in a text file; iterate over it for its rows.

    Attributes:
        name: the file's name, as faults give it.
        columns: those of the known columns that it has.
        spelled: all columns, as the header spells them.
        faults: what was set aside or repaired so far; complete after the iteration.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        columns: Mapping[str, Sequence[str]],
        wanted: str,
        stand_ins: Sequence[str] = (),
    ) -> None:
        """Read the file and its header.

        Args:
            path: of the file.
            name: for messages, relative to the source's folder.
            columns: the other names by which a header may call each known column; the first known column
                must be there.
            wanted: the header to write, for the error where there is none.
            stand_ins: names that mean the first known column where no other of the header does.

        Raises:
            SourceError: the file cannot be read, has no header, a column twice, or a misspelt one.
        """
        self.path, self.name, self.faults = path, name, list[LabelFault]()
        try:
            text = read_text(path)
        except UnreadableText as error:
            raise SourceError(f"{name} {error}.") from error
        self.content = text.content
        names = {spelling: known for known, others in columns.items() for spelling in (known, *others)}
        first = next((line for line in self.open_lines() if line.strip()), "")
        names |= find_stand_in(first, names, next(iter(columns)), stand_ins)
        self.delimiter = max(DELIMITERS, key=lambda mark: count_known(first, mark, names))
        self.spelled = header = split_header(first, self.delimiter)
        self.header = [names.get(cell.casefold()) for cell in header]
        self.columns = frozenset(known for known in self.header if known)
        if next(iter(columns)) not in self.columns:
            raise SourceError(
                f"{name}: no header. Expected a first line such as {wanted}; found {first.strip()[:120]!r}."
            )
        demand_columns_once(name, header, self.header)
        demand_no_typo(name, header, self.header, names, stand_ins)
        if text.marked:
            self.repair("byte_order_mark", "begins with a byte order mark, which was passed over")
        if self.delimiter != ",":
            self.repair(
                "delimiter",
                f"has {DELIMITERS[self.delimiter]} between the columns, which were taken for commas",
            )

    def open_lines(self) -> io.StringIO:
        """The lines with their ends; only line feeds and carriage returns end one."""
        return io.StringIO(self.content, newline="")

    def repair(self, kind: str, reason: str) -> None:
        """Note what was repaired in the file as a whole."""
        self.faults.append(LabelFault(self.name, "", kind, "repaired", f"The file {reason}."))

    def set_aside(self, line: int, kind: str, reason: str, picture: str | None = None) -> None:
        """Note a row that is left out."""
        self.faults.append(LabelFault(self.name, f"line {line}", kind, "set_aside", reason, picture))

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order; one with too few or too many fields is set aside, an empty one no row."""
        reader = csv.reader(self.open_lines(), delimiter=self.delimiter, strict=True)
        places = [(place, known) for place, known in enumerate(self.header) if known]
        begun = False
        try:
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                if begun and len(fields) != len(self.header):
                    self.set_aside(
                        reader.line_num,
                        "field_count",
                        f"{len(fields)} fields, and the header has {len(self.header)}: the row was left out.",
                    )
                elif begun:
                    yield Row(reader.line_num, {known: fields[place].strip() for place, known in places})
                begun = True
        except csv.Error as error:
            raise SourceError(
                f"{self.name}: line {reader.line_num}: {error}: a quotation mark is missing or too many."
            ) from error


def split_header(line: str, delimiter: str) -> list[str]:
    """The cells of a header, stripped."""
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def find_stand_in(
    line: str, names: Mapping[str, str], column: str, stand_ins: Sequence[str]
) -> dict[str, str]:
    """{its name: column} for the first of the stand-ins in a header of which nothing means the column."""
    for delimiter in DELIMITERS:
        cells = [cell.casefold() for cell in split_header(line, delimiter)]
        if any(names.get(cell) == column for cell in cells):
            return {}
        if found := next((name for name in stand_ins if name in cells), None):
            return {found: column}
    return {}


def count_known(line: str, delimiter: str, names: Mapping[str, str]) -> int:
    """How many cells of a header are known columns where it is divided by `delimiter`."""
    return sum(cell.casefold() in names for cell in split_header(line, delimiter))


def demand_columns_once(name: str, header: list[str], known: list[str | None]) -> None:
    """Demand that no two columns mean the same."""
    for column in {column for column in known if column and known.count(column) > 1}:
        same = [cell for cell, meant in zip(header, known, strict=True) if meant == column]
        raise SourceError(
            f"{name}: the columns {' and '.join(same)} of the header both mean {column}: remove one."
        )


def demand_no_typo(
    name: str,
    header: list[str],
    known: list[str | None],
    names: Mapping[str, str],
    stand_ins: Sequence[str],
) -> None:
    """Demand that no unknown column looks like a known one that is missing; others may stand there."""
    missing = [spelling for spelling, column in names.items() if column not in known]
    for cell, meant in zip(header, known, strict=True):
        spelled = meant is not None or cell.casefold() in stand_ins
        nearest = [] if spelled else get_close_matches(cell.casefold(), missing, 1, TYPO)
        if nearest:
            raise SourceError(
                f"{name}: the column {cell!r} of the header is unknown; if it means {nearest[0]}, write so, "
                "else remove or rename it."
            )


def demand_same(
    name: str, picture: str, column: str, first: tuple[int, str | None], then: tuple[int, str | None]
) -> None:
    """Demand that two rows say the same of one picture; each is (line, value)."""
    if first[1] != then[1]:
        raise SourceError(
            f"{name}: {picture} has the {column} {first[1] or 'none'!r} in line {first[0]} and "
            f"{then[1] or 'none'!r} in line {then[0]}: correct one."
        )


def choose_file(folder: Path, names: Sequence[str], what: str) -> str:
    """The only name among several files; raises SourceError where there is none or more than one."""
    if len(names) == 1:
        return names[0]
    if not names:
        raise SourceError(f"dataset.path: {folder} holds no {what}.")
    raise SourceError(
        f"dataset.path: {folder} holds several files that could be the {what}: {abridge(list(names))}. "
        "Keep one."
    )
