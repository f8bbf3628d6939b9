"""Format via: VGG Image Annotator, one file for all pictures: 2.x projects, exports as JSON (1, 2.x) and CSV.

- **Pictures.** VIA knows a picture by its base name and the bytes of its file: where several folders hold the
  name, the bytes tell which is meant. Several entries for one picture (VIA makes one for every version of the
  file): the one with its bytes counts, the others are set aside; where no bytes fit, they count together.
  An entry without regions is a negative; a picture without entry was never opened, and is set aside.
- **Regions.** rect, circle, ellipse, polygon become boxes, all but rect with a mask; points and lines enclose
  nothing and are set aside. Places are pixels of the upright picture, as browsers show it.
- **Classes.** The only region attribute, or the one called class, label, name or type (the first of these).
  Without any, all are of the one class that `dataset.classes` names.
- **Splits.** Folders train/, valid/ and test/ of the pictures, else of VIA's files (or train.json, ...).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from glasshouse.sources.classes import demand_class, order_classes, spell_classes
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.headers import Header, read_header
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.listing import list_files
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.split_names import find_split_in
from glasshouse.sources.via.files import Entry, Region, read_files
from glasshouse.sources.via.regions import BadRegion, choose_attribute, read_class, read_shape


def read(folder: Path, classes: tuple[str, ...]) -> LabelledFiles:
    """The pictures below `folder` that VIA's files label.

    Raises:
        SourceError: no VIA file, one that cannot be parsed, no picture of it, a picture in two files, no
            attribute that is the class, a label outside `classes`.
    """
    entries, faults = read_files(dict(list_files(folder)))
    index, classes = PictureIndex(folder), spell_classes(classes)
    attribute = choose_attribute(entries, classes)
    pairs = pair_entries(entries, index, faults)
    if not pairs:
        raise SourceError(
            f"dataset.path: none of the {len(entries)} pictures that VIA labelled is in {folder}"
            + (f", such as {entries[0].picture!r}." if entries else ".")
        )
    files = [
        label_picture(picture, index.paths[picture], pairs[picture], attribute, classes, faults)
        for picture in index.paths
        if picture in pairs
    ]
    faults += [
        LabelFault(picture, "", "not_labelled", "set_aside", "VIA's files do not name the picture.", picture)
        for picture in index.paths
        if picture not in pairs
    ]
    kept = tuple(file for file in files if file is not None)
    found = (thing.label for file in kept for thing in file.objects)
    return LabelledFiles(order_classes(found, classes), kept, tuple(faults))


def pair_entries(
    entries: Iterable[Entry], index: PictureIndex, faults: list[LabelFault]
) -> dict[str, list[Entry]]:
    """{picture: its entries}; entries without picture, and of other versions of it, go to the faults."""
    pairs: dict[str, list[Entry]] = {}
    for entry in entries:
        try:
            picture = find_picture(entry, index)
        except LookupError as error:
            faults.append(fault(entry.file_name, entry.place, "picture_missing", f"{error.args[0]}."))
            continue
        first = pairs.setdefault(picture, [entry])[0]
        if first.file_name != entry.file_name:
            raise SourceError(
                f"{picture} is labelled in {first.file_name} ({first.place}) and in {entry.file_name} "
                f"({entry.place}): keep one of the files."
            )
        if first is not entry:
            pairs[picture].append(entry)
    return {
        picture: choose_version(index.paths[picture], picture, same, faults)
        for picture, same in pairs.items()
    }


def find_picture(entry: Entry, index: PictureIndex) -> str:
    """The picture that an entry names, by its name or, of several, by the bytes of its file.

    Raises:
        LookupError: there is none, or it could be any of several.
    """
    beside = str(PurePosixPath(entry.file_name).parent)
    try:
        return index.find(entry.picture, "" if beside == "." else beside)
    except LookupError:
        base = PurePosixPath(entry.picture.replace("\\", "/")).name
        same = [
            name
            for name, path in index.paths.items()
            if PurePosixPath(name).name == base and measure_file(path) == entry.size
        ]
        if len(same) != 1:
            raise
        return same[0]


def measure_file(path: Path) -> int | None:
    """Bytes of a file; None where it cannot be asked."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def choose_version(path: Path, picture: str, same: list[Entry], faults: list[LabelFault]) -> list[Entry]:
    """Of several entries for a picture the one with its bytes, or all where none has them."""
    current = [entry for entry in same if entry.size == measure_file(path)]
    if len(same) == 1 or not current:
        return same
    for entry in same:
        if entry not in current:
            reason = f"The entry is for a file of {entry.size} bytes, and another fits the picture: left out."
            faults.append(fault(entry.file_name, entry.place, "entry_outdated", reason, picture))
    return current


def label_picture(
    picture: str,
    path: Path,
    entries: list[Entry],
    attribute: str | None,
    classes: tuple[str, ...],
    faults: list[LabelFault],
) -> LabelledFile | None:
    """A picture with its objects; None where it has regions and none can be used: it is no negative then."""
    split = find_split_in(PurePosixPath(picture).parts[:-1]) or find_split_in(
        PurePosixPath(entries[0].file_name).with_suffix("").parts
    )
    regions = [(entry.file_name, region) for entry in entries for region in entry.regions]
    if not regions:
        return LabelledFile(picture, path, split=split)
    header = read_header(path)
    if header is None:
        reason = f"The size of {picture} cannot be read, so its {len(regions)} regions are left out."
        faults.append(fault(entries[0].file_name, entries[0].place, "picture_size_unknown", reason, picture))
        return LabelledFile(picture, path, split=split)
    objects: list[ObjectLabel] = []
    for file_name, region in regions:
        try:
            objects.append(build_object(file_name, region, header, attribute, classes))
        except BadRegion as error:
            faults.append(fault(file_name, region.place, error.kind, str(error), picture))
    if not objects:
        reason = "None of its regions can be used; the picture is left out with them, for it is no negative."
        faults.append(fault(entries[0].file_name, entries[0].place, "no_region_left", reason, picture))
        return None
    return LabelledFile(picture, path, None, tuple(objects), split, labelled_size=header.stored_size)


def build_object(
    file_name: str, region: Region, header: Header, attribute: str | None, classes: tuple[str, ...]
) -> ObjectLabel:
    """The object of a region; raises BadRegion, or SourceError where its label is none of the classes."""
    shape = read_shape(region.shape)
    label = read_class(region, attribute, classes)
    demand_class(label, classes, f"{file_name}, {region.place}")
    mask = shape.fill(header.upright_size)
    return ObjectLabel(
        label,
        header.store_box(shape.box_xyxy_px),
        mask=None if mask is None else header.store_mask(mask),
        origin=f"{file_name}, {region.place}",
    )


def fault(file_name: str, place: str, kind: str, reason: str, picture: str | None = None) -> LabelFault:
    """Something that is left out."""
    return LabelFault(file_name, place, kind, "set_aside", reason, picture)
