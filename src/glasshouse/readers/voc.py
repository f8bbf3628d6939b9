"""Format voc: Pascal VOC, one XML a picture; also as LabelImg, OpenLabeler and Roboflow write it.

Layouts: the devkit's (JPEGImages/, Annotations/, ImageSets/Main/), at any depth, also several side by side;
each XML beside its picture; either below train/, valid/ and test/.

- **Pairs.** An XML belongs to the picture of its own name (beside it, in JPEGImages/ or images/ beside
  Annotations/, else anywhere), as the tools and VOC's own lists have it; where there is none, to the one
  that its <filename> names. Without objects it is a negative; a picture without XML is set aside, for nobody
  has said that it is one. Pictures in SegmentationClass/, SegmentationObject/ and trimaps/ are masks.
- **Pixels.** VOC counts pixels from 1, the last one included: xmin..xmax becomes xmin - 1 .. xmax, maximum
  exclusive (Detectron2 reads it so), exact for the devkit. LabelImg writes edges and
  lifts 0 to 1, at most a pixel from that, which no file tells. Where more corners lie at 0 than at 1 the
  whole data set was numbered from 0, and its corners stand as they are; otherwise the few at 0 stay at 0,
  and one fault says how many. Equal corners are a click without a box: passed on without area, although as
  pixels they would be one. Reversed ones are passed on reversed.
- **Flags.** difficult becomes is_crowd: found or not, VOC's score leaves such an object out, as COCO's does
  with a crowd. truncated, occluded, pose and <part> boxes change nothing.
- **Splits.** ImageSets where a list names the picture, else a folder train/, val/, valid/ or test/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glasshouse.sources.classes import demand_class, order_classes, spell_classes
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.labelled import LabelledFile, LabelledFiles, read_file
from glasshouse.sources.listing import list_files, sort_naturally
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.split_names import find_split_in
from glasshouse.sources.voc.annotation import VocAnnotation, read_annotation
from glasshouse.sources.voc.pairs import Pairing, is_mask
from glasshouse.sources.voc.sets import read_sets
from glasshouse.sources.voc.xml_tree import XmlFault


@dataclass(frozen=True, slots=True)
class Pair:
    """An annotation file and the picture that it labels."""

    file_name: str
    picture: str
    annotation: VocAnnotation


def read(folder: Path, classes: tuple[str, ...]) -> LabelledFiles:
    """The pictures below `folder` that have a VOC annotation.

    Args:
        folder: laid out as this module says.
        classes: names in the order of their ids; empty for those found, sorted.

    Raises:
        SourceError: no XML, no sound annotation, no class, a label outside `classes`, a picture listed in
            two splits.
    """
    classes = spell_classes(classes)
    files = list_files(folder)
    index = PictureIndex(folder)
    faults: list[LabelFault] = []
    pairs = list(set_twins_aside(pair_files(files, index, faults), faults))
    if not pairs:
        raise SourceError(describe_nothing(folder, faults))
    names = settle_classes(pairs, classes)
    first = find_first_pixel(pairs, faults)
    listed, vain = read_sets(files, (name for name in index.paths if not is_mask(name)))
    labelled = [
        LabelledFile(
            pair.picture,
            index.paths[pair.picture],
            objects=tuple(convert_objects(pair, first)),
            split=listed.get(pair.picture) or find_split_in(PurePosixPath(pair.picture).parent.parts),
            labelled_size=pair.annotation.size,
        )
        for pair in pairs
    ]
    labelled.sort(key=lambda file: sort_naturally(file.file_name))
    faults.sort(key=lambda fault: sort_naturally(fault.file_name))
    return LabelledFiles(names, tuple(labelled), (*faults, *vain))


def describe_nothing(folder: Path, faults: list[LabelFault]) -> str:
    """What to say where no annotation could be used."""
    broken = [fault for fault in faults if fault.kind != "annotation_missing"]
    if not broken:
        return f"dataset.path: {folder} holds no XML files; format voc wants one for every picture."
    first = broken[0]
    return (
        f"dataset.path: none of the XML files in {folder} can be used; the first, {first.file_name}"
        f"{', ' if first.place else ''}{first.place}: {first.reason}."
    )


def pair_files(
    files: Iterable[tuple[str, Path]], index: PictureIndex, faults: list[LabelFault]
) -> Iterator[Pair]:
    """Every XML that can be read with its picture; what cannot, and pictures without XML, go to `faults`."""
    pairing = Pairing(index)
    claimed: set[str] = set()
    for file_name, path in files:
        if path.suffix.lower() == ".xml":
            pair = read_pair(file_name, path, pairing, faults)
            found = pair.picture if pair else faults[-1].picture
            claimed |= {found} if found else set()
            if pair:
                yield pair
    for name in index.paths:
        if name not in claimed and not is_mask(name):
            reason = "no XML labels this picture; a picture without objects needs one too, without <object>"
            faults.append(LabelFault(name, "", "annotation_missing", "set_aside", reason, name))


def read_pair(file_name: str, path: Path, pairing: Pairing, faults: list[LabelFault]) -> Pair | None:
    """One XML with its picture; None, and the reason as the last of `faults`, where there is no such pair."""
    data, unreadable = read_file(path)
    try:
        if unreadable:
            raise XmlFault(0, unreadable)
        annotation = read_annotation(data)
    except XmlFault as fault:
        place = f"line {fault.line}" if fault.line else ""
        reason = f"{fault.reason}; file and picture are left out"
        picture = pairing.find_twin(file_name)
        faults.append(LabelFault(file_name, place, "annotation_unreadable", "set_aside", reason, picture))
        return None
    try:
        picture = pairing.find(file_name, annotation.picture_name)
    except LookupError as error:
        faults.append(LabelFault(file_name, "", "picture_missing", "set_aside", str(error)))
        return None
    if not pairing.agrees(picture, annotation.picture_name):
        reason = f"<filename> says {annotation.picture_name!r}; taken for {picture}, which has the XML's name"
        faults.append(LabelFault(file_name, "", "filename_differs", "repaired", reason, picture))
    for wrong in annotation.faults:
        faults.append(LabelFault(file_name, wrong.place, wrong.kind, wrong.action, wrong.reason, picture))
    return Pair(file_name, picture, annotation)


def set_twins_aside(pairs: Iterable[Pair], faults: list[LabelFault]) -> Iterator[Pair]:
    """The pairs whose picture is in no other pair; which of two annotations holds, nobody can tell."""
    by_picture: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_picture.setdefault(pair.picture, []).append(pair)
    for picture, same in by_picture.items():
        if len(same) == 1:
            yield same[0]
            continue
        for pair in same:
            others = ", ".join(other.file_name for other in same if other is not pair)
            reason = f"{picture} is labelled by {others} as well; it is left out: keep one of them"
            faults.append(LabelFault(pair.file_name, "", "annotation_twice", "set_aside", reason, picture))


def settle_classes(pairs: Iterable[Pair], classes: tuple[str, ...]) -> tuple[str, ...]:
    """`classes`, or those found; raises SourceError where a label is none of them, or nothing is labelled."""
    found = set()
    for pair in pairs:
        for item in pair.annotation.objects:
            demand_class(item.label, classes, f"{pair.file_name}, {item.place}")
            found.add(item.label)
    if not classes and not found:
        raise SourceError("dataset.classes: no XML holds a usable <object>, so name the classes here.")
    return order_classes(found, classes)


def find_first_pixel(pairs: Iterable[Pair], faults: list[LabelFault]) -> int:
    """0 or 1: the number of the first pixel, by the majority of the corners at the left and upper edge."""
    edges: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for pair in pairs:
        for item in pair.annotation.objects:
            for low in item.corners[:2]:
                if 0 <= low < 2:
                    edges[int(low)].append((pair.file_name, item.place))
    at_zero, at_one = edges
    if len(at_zero) > len(at_one):
        return 0
    if at_zero:
        file_name, place = at_zero[0]
        reason = (
            f"0-based / 1-based mix: {len(at_zero)} corners lie at 0, which VOC's numbering from 1 does not "
            f"have, and {len(at_one)} at 1; read from 1, those at 0 stay at the edge. This is the first"
        )
        faults.append(LabelFault(file_name, place, "numbering_mixed", "repaired", reason))
    return 1


def convert_objects(pair: Pair, first_pixel: int) -> Iterator[ObjectLabel]:
    """The objects with their boxes in edge coordinates, maximum exclusive."""
    for item in pair.annotation.objects:
        x_min, y_min, x_max, y_max = item.corners
        if first_pixel == 1:
            (x_min, x_max), (y_min, y_max) = count_from_zero(x_min, x_max), count_from_zero(y_min, y_max)
        origin = f"{pair.file_name}, {item.place}"
        yield ObjectLabel(item.label, (x_min, y_min, x_max, y_max), item.is_difficult, origin=origin)


def count_from_zero(low: float, high: float) -> tuple[float, float]:
    """First and last pixel, counted from 1, to edges; equal ones stay so, reversed ones stay reversed.

    A first pixel of 0 means the edge.
    """
    if low == high:
        return low, high
    if low > high:
        return low, high - 1
    return (0.0 if 0 <= low < 1 else low - 1), high
