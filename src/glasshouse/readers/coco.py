"""Format coco: one JSON for many pictures, as COCO, Labelbox, Supervisely, CVAT and Roboflow write it.

Layouts: annotations/instances_*.json with the pictures beside or in images/, train2017/, ...; any *.json in
the root; _annotations.coco.json in each of train/, valid/ and test/. Several files are one data set and must
name the same categories. Pictures are found by `file_name` in the places that these tools use, then by their
base name.

- **Boxes** are [x, y, width, height] from the upper left corner of the picture, edges at 0, passed on as
  corners. Without bbox the segmentation's box counts.
- **Masks**: polygons cover the pixels whose centres they hold; run lengths are taken compressed or not.
- **Crowds**: iscrowd is is_crowd. An image without annotations is a negative.
- **Categories** come in the order of their ids, gaps closed. A category that only heads others and labels
  nothing (Roboflow writes one, at times with a class's own name) is dropped, with a fault.
- **Splits**: a word in the file's name (instances_val2017.json), else its folder's, else the picture's.
- **Groups**: an image's key `group`. Other keys are passed over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from glasshouse.sources.classes import spell_classes
from glasshouse.sources.coco.annotations import Annotations
from glasshouse.sources.coco.files import (
    CocoCategory,
    CocoFile,
    CocoImage,
    Id,
    find_files,
    is_foreign,
    load_json,
    read_document,
    split_by_name,
)
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.listing import abridge, list_files, sort_naturally
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.split_names import find_split_in


def read(folder: Path, classes: tuple[str, ...]) -> LabelledFiles:
    """The pictures below `folder` that its COCO files list.

    Args:
        folder: laid out as this module says.
        classes: names in the order of their ids; empty for the files' categories in the order of theirs.

    Raises:
        SourceError: no COCO file, one that cannot be read or contradicts itself or another, a label outside
            `classes`, or no picture is left.
    """
    classes = spell_classes(classes)
    files = list_files(folder)
    index = PictureIndex(folder)
    faults: list[LabelFault] = []
    labelled: dict[str, LabelledFile] = {}
    listed: dict[str, str] = {}
    used: set[Id] = set()
    first: CocoFile | None = None
    for file in read_files(folder, files):
        first = first or file
        demand_same_categories(first, file)
        pictures = find_pictures(file, index, listed, faults)
        annotations = Annotations(file, pictures, classes, faults)
        objects = annotations.read()
        used |= annotations.used
        for identity, picture in pictures.items():
            labelled[picture] = label_picture(file, identity, index.paths[picture], picture, objects)
    names = classes or order_categories(first, used, faults)
    faults += find_unlisted(index.paths, listed)
    if not labelled:
        missing = next((fault.reason for fault in faults if fault.kind == "picture_missing"), "it lists none")
        raise SourceError(
            f"dataset.path: none of the pictures that the JSON in {folder} lists is there. "
            f"The first: {missing}."
        )
    in_order = sorted(labelled.values(), key=lambda file: sort_naturally(file.file_name))
    return LabelledFiles(names, tuple(in_order), tuple(faults))


def read_files(folder: Path, files: Iterable[tuple[str, Path]]) -> Iterator[CocoFile]:
    """The COCO files one by one; other JSON beside them is passed over."""
    found = find_files(files)
    if not found:
        raise SourceError(f"dataset.path: {folder} holds no JSON file; format coco wants one.")
    foreign = []
    for file_name, path in found:
        document = load_json(file_name, path)
        if is_foreign(document):
            foreign.append((file_name, document))
        else:
            yield read_document(file_name, document)
    if len(foreign) == len(found):
        read_document(*foreign[0])  # says which keys are missing


def demand_same_categories(first: CocoFile, file: CocoFile) -> None:
    """Raise SourceError where a file's categories are not those of the first."""
    there = {identity: repr(category.name) for identity, category in first.categories.items()}
    here = {identity: repr(category.name) for identity, category in file.categories.items()}
    different = [
        f"{identity!r} is {there.get(identity, 'missing')} there and {here.get(identity, 'missing')} here"
        for identity in {**there, **here}
        if there.get(identity) != here.get(identity)
    ]
    if different:
        raise SourceError(
            f"{file.file_name}: its categories are not those of {first.file_name}: id {abridge(different)}. "
            "Give all files the same list."
        )


def find_pictures(
    file: CocoFile, index: PictureIndex, listed: dict[str, str], faults: list[LabelFault]
) -> dict[Id, str]:
    """The picture of each image id; an image without one is a fault, a picture listed twice a SourceError."""
    places = list_places(file.file_name)
    found: dict[Id, str] = {}
    for identity, image in file.images.items():
        try:
            picture = find_picture(image, index, places)
        except LookupError as error:
            reason = f"{error}; the image and its annotations are left out"
            faults.append(LabelFault(file.file_name, image.place, "picture_missing", "set_aside", reason))
            continue
        here = f"{file.file_name}, {image.place}"
        if picture in listed:
            raise SourceError(f"{here}: {picture} is the picture of {listed[picture]} as well; list it once.")
        listed[picture] = here
        found[identity] = picture
        if image.size is None:
            reason = "width and height are missing or no numbers of pixels; the picture's own size counts"
            faults.append(
                LabelFault(file.file_name, image.place, "size_missing", "repaired", reason, picture)
            )
    return found


def find_picture(image: CocoImage, index: PictureIndex, places: Sequence[str]) -> str:
    """Where the picture lies; raises LookupError with a sentence."""
    for place in places:
        path = f"{place}/{image.file_name}" if place else image.file_name
        if path in index.paths:
            return path
    return index.find(image.file_name, *places)


def list_places(file_name: str) -> list[str]:
    """The folders that tools put pictures into, for a JSON file: near ones first, its own name among them."""
    path = PurePosixPath(file_name)
    part = path.stem.partition("_")[2] or path.stem
    places = []
    for folder in (path.parent, path.parent.parent):
        for inside in ("", "images", part, f"images/{part}", f"{part}/images"):
            place = (folder / inside).as_posix()
            places.append("" if place == "." else place)
    return list(dict.fromkeys(places))


def label_picture(
    file: CocoFile, identity: Id, path: Path, picture: str, objects: dict[str, list[ObjectLabel]]
) -> LabelledFile:
    """The picture with its objects and what its image entry says."""
    image = file.images[identity]
    return LabelledFile(
        picture,
        path,
        objects=tuple(objects.get(picture, ())),
        split=split_by_name(file.file_name) or find_split_in(PurePosixPath(picture).parent.parts),
        group=image.group,
        labelled_size=image.size,
    )


def order_categories(file: CocoFile | None, used: set[Id], faults: list[LabelFault]) -> tuple[str, ...]:
    """Names in the order of the ids (numbers, then texts), without those that only head others."""
    categories = file.categories if file else {}
    below: dict[str, list[CocoCategory]] = defaultdict(list)  # by the name of the category that heads them
    for category in categories.values():
        below[category.supercategory].append(category)
    names = []
    for identity in sorted(categories, key=lambda one: (isinstance(one, str), one)):
        category = categories[identity]
        headed = [other.name for other in below.get(category.name, ()) if other is not category]
        if identity in used or not headed:
            names.append(category.name)
        elif file:
            reason = f"{category.name!r} labels nothing and heads {abridge(headed)}: not taken for a class"
            faults.append(
                LabelFault(file.file_name, category.place, "category_heads_others", "repaired", reason)
            )
    if not names:
        raise SourceError(
            f"{file.file_name if file else 'dataset.path'}: categories is empty; name the classes there."
        )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice and file:
        raise SourceError(f"{file.file_name}: two categories that label something are called {twice!r}.")
    return tuple(names)


def find_unlisted(pictures: Iterable[str], listed: dict[str, str]) -> Iterator[LabelFault]:
    """A fault for each picture that no file lists: nobody has said that it shows nothing."""
    reason = "no JSON lists this picture; one without objects must be listed as well"
    for picture in pictures:
        if picture not in listed:
            yield LabelFault(picture, "", "picture_unlisted", "set_aside", reason, picture)
