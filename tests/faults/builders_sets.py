"""Faults of a data set as a whole: its classes and splits, too few pictures, the archive that it comes in."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from .builders import (
    GIVEN,
    NAMES,
    PICTURES,
    VICTIM,
    Scene,
    draw,
    make_scenes,
    save,
    spell_coco,
    write_class_folders,
    write_coco,
    write_csv,
    write_given_folders,
    write_text,
    write_voc,
)

ARCHIVE = "set"


def write_label_typo(folder: Path) -> None:
    write_class_folders(folder)
    save(Scene(PICTURES + 1, "rose", []), folder / "rsoe" / "typo.jpg")


def write_unknown_label(folder: Path) -> None:
    scenes = make_scenes()
    scenes[VICTIM - 1].label = "rosee"
    write_csv(folder, scenes)


def write_class_not_trained(folder: Path) -> None:
    """tulip is in test alone."""
    scenes = make_scenes()
    for scene in scenes[-2:]:
        scene.label = "tulip"
    write_given_folders(folder, scenes)


def write_class_not_tested(folder: Path) -> None:
    """tulip is in train alone."""
    scenes = make_scenes()
    for scene in scenes[:6]:
        scene.label = "tulip"
    write_given_folders(folder, scenes)


def write_empty_class_folder(folder: Path) -> None:
    write_class_folders(folder)
    (folder / "tulip").mkdir()


def write_empty_class(folder: Path) -> None:
    write_coco(folder, spell_coco(make_scenes(), (*NAMES, "tulip")))


def write_one_name_in_two_forms(folder: Path) -> None:
    """The accent of a class is composed in one folder's name and not in the other's, as after a merge."""
    for scene in make_scenes():
        form = ("caf\u00e9", "cafe\u0301")[scene.number // 2 % 2] if scene.label == "rose" else scene.label
        save(scene, folder / form / scene.name)


def write_one_class_of_pictures(folder: Path) -> None:
    write_class_folders(folder, make_scenes(labels=("rose",)))


def write_one_class_of_objects(folder: Path) -> None:
    write_csv(folder, make_scenes(labels=("rose",)))


def write_few_of_a_class(folder: Path) -> None:
    scenes = make_scenes()
    for scene in scenes[:3]:
        scene.label = "tulip"
    write_class_folders(folder, scenes)


def write_empty_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def write_no_pictures(folder: Path) -> None:
    """Labels, and not one picture."""
    write_csv(folder)
    shutil.rmtree(folder / "pictures")


def write_one_picture(folder: Path) -> None:
    write_class_folders(folder, make_scenes(1))


def write_one_picture_to_split(folder: Path) -> None:
    """As above; that one is enough is set in the row, so that the split has to tell."""
    write_csv(folder, make_scenes(1))


def write_picture_in_no_split(folder: Path) -> None:
    """VOC's lists leave one picture out."""
    scenes = make_scenes()
    write_voc(folder, scenes)
    listed = {split: [] for split in ("train", "valid", "test")}
    for scene in scenes:
        if scene.number != VICTIM:
            listed[GIVEN[scene.number - 1]].append(scene.stem)
    for split, name in (("train", "train"), ("valid", "val"), ("test", "test")):
        write_text(folder / "ImageSets" / "Main" / f"{name}.txt", "\n".join(listed[split]) + "\n")


def write_group_across_splits(folder: Path) -> None:
    """groups.csv holds six pictures together; the split may not tear them apart."""
    write_class_folders(folder)
    rows = [f"{scene.label}/{scene.name},one afternoon" for scene in make_scenes()[:6]]
    write_text(folder / "groups.csv", "\n".join(["file_name,group", *rows, ""]))


def encode(scene: Scene) -> bytes:
    stream = io.BytesIO()
    draw(scene).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def pack_zip(folder: Path, add: Callable[[zipfile.ZipFile], None]) -> None:
    """set.zip with a sound set of class folders, and what `add` adds."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{ARCHIVE}.zip", "w") as archive:
        for scene in make_scenes():
            archive.writestr(f"{scene.label}/{scene.name}", encode(scene))
        add(archive)


def pack_tar(folder: Path, member: tarfile.TarInfo) -> None:
    """set.tar with a sound set of class folders, and one member without content."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{ARCHIVE}.tar", "w") as archive:
        for scene in make_scenes():
            data = encode(scene)
            info = tarfile.TarInfo(f"{scene.label}/{scene.name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        archive.addfile(member)


def write_sound_zip(folder: Path) -> None:
    pack_zip(folder, lambda archive: None)


def write_zip_of_large_file(folder: Path) -> None:
    """With one file of 60 kB; all others have 2 or 3."""
    pack_zip(folder, lambda archive: archive.writestr("rose/large.jpg", bytes(60_000)))


def write_zip_escape(folder: Path) -> None:
    pack_zip(folder, lambda archive: archive.writestr("../../../escaped.jpg", b"x"))


def write_tar_escape(folder: Path) -> None:
    pack_tar(folder, tarfile.TarInfo("/tmp/escaped.jpg"))


def write_tar_link(folder: Path) -> None:
    link = tarfile.TarInfo("rose/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "../../../../params.yaml"
    pack_tar(folder, link)


def write_zip_bomb(folder: Path) -> None:
    """300 MiB of zeros in a file of some 300 kB: more than 200 times its size."""
    bomb = zipfile.ZipInfo("rose/bomb.jpg")
    pack_zip(folder, lambda archive: archive.writestr(bomb, bytes(300 * 2**20), zipfile.ZIP_DEFLATED, 1))


def write_cut_zip(folder: Path) -> None:
    write_sound_zip(folder)
    path = folder / f"{ARCHIVE}.zip"
    path.write_bytes(path.read_bytes()[:-200])
