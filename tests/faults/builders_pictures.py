"""Faults of pictures: files that are damaged, odd or misnamed, and copies on both sides of a split."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from .builders import (
    HEIGHT_PX,
    VICTIM,
    WIDTH_PX,
    Box,
    Scene,
    draw,
    make_scenes,
    pack_png,
    place_boxes,
    save,
    spell_voc,
    write_class_folders,
    write_csv,
    write_given_folders,
    write_text,
    write_voc,
    write_yolo,
)

EXTRA = 40  # numbers from here on are in no sound set
UPRIGHT = 0x0112  # EXIF's tag of the orientation


def place(folder: Path, name: str, data: bytes) -> None:
    """A further file in the class rose of a sound set of class folders."""
    write_class_folders(folder)
    (folder / "rose" / name).write_bytes(data)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def draw_extra(number: int = EXTRA) -> Image.Image:
    """A rose that is in no sound set."""
    return draw(Scene(number, "rose", []))


def write_truncated_jpeg(folder: Path) -> None:
    data = encode(draw_extra(), "JPEG")
    place(folder, "bad.jpg", data[: len(data) // 2])


def write_zero_bytes(folder: Path) -> None:
    place(folder, "bad.jpg", b"")


def write_truncated_with_boxes(folder: Path) -> None:
    write_csv(folder)
    path = folder / "pictures" / make_scenes()[VICTIM - 1].name
    path.write_bytes(path.read_bytes()[:900])


def write_bomb_with_boxes(folder: Path) -> None:
    write_yolo(folder)
    (folder / "images" / make_scenes()[VICTIM - 1].name).write_bytes(pack_png(40_000, 40_000, bytes(1000)))


def write_text_named_jpg(folder: Path) -> None:
    place(folder, "bad.jpg", b"This is not a picture but a letter.\n" * 10)


def write_png_named_jpg(folder: Path) -> None:
    place(folder, "odd.jpg", encode(draw_extra(), "PNG"))


def write_one_pixel(folder: Path) -> None:
    place(folder, "dot.png", encode(Image.new("RGB", (1, 1), "red"), "PNG"))


def write_header_bomb(folder: Path) -> None:
    place(folder, "bomb.png", pack_png(40_000, 40_000, bytes(1000)))


def write_dangling_link(folder: Path) -> None:
    write_class_folders(folder)
    os.symlink("nowhere.jpg", folder / "rose" / "link.jpg")


def write_linked_folder(folder: Path) -> None:
    write_class_folders(folder)
    os.symlink("../daisy", folder / "rose" / "linked")


def write_cmyk(folder: Path) -> None:
    place(folder, "odd.jpg", encode(draw_extra().convert("CMYK"), "JPEG"))


def write_16_bit(folder: Path) -> None:
    levels = np.asarray(draw_extra().convert("L")).astype(np.uint16) * 257
    place(folder, "odd.png", encode(Image.fromarray(levels), "PNG"))


def write_animated_gif(folder: Path) -> None:
    frames = [draw_extra(EXTRA + number).convert("P") for number in (1, 2)]
    place(folder, "odd.gif", encode(draw_extra(), "GIF", save_all=True, append_images=frames))


def write_other_formats(folder: Path) -> None:
    write_class_folders(folder)
    rose = folder / "rose"
    alpha = draw_extra().convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    alpha.save(rose / "alpha.png")
    draw_extra(EXTRA + 1).convert("P", palette=Image.Palette.ADAPTIVE).save(rose / "palette.png")
    draw_extra(EXTRA + 2).save(rose / "progressive.jpg", progressive=True)
    draw_extra(EXTRA + 3).convert("L").save(rose / "grey.jpg")
    draw_extra(EXTRA + 4).save(rose / "x.webp")
    draw_extra(EXTRA + 5).save(rose / "x.bmp")


def write_unicode_names(folder: Path) -> None:
    place(folder, "Blüte des 花 №1.jpg", encode(draw_extra(), "JPEG"))


def write_same_base_name(folder: Path) -> None:
    place(folder, "same.jpg", encode(draw_extra(), "JPEG"))
    save(Scene(EXTRA + 1, "daisy", []), folder / "daisy" / "same.jpg")


def turn_left(box: Box) -> Box:
    """A box of the upright picture on the pixels that are stored a quarter turn to the left."""
    x_min, y_min, x_max, y_max = box
    return y_min, WIDTH_PX - x_max, y_max, WIDTH_PX - x_min


def save_turned(scene: Scene, path: Path) -> None:
    """Stored a quarter turn to the left, with the orientation that says so."""
    exif = Image.Exif()
    exif[UPRIGHT] = 6
    draw(scene).transpose(Image.Transpose.ROTATE_90).save(path, quality=92, exif=exif)


def write_exif_picture(folder: Path) -> None:
    write_class_folders(folder)
    scene = make_scenes()[VICTIM - 1]
    save_turned(scene, folder / scene.label / scene.name)


def write_exif_boxes(folder: Path) -> None:
    """Boxes drawn on the stored pixels, as the size in the XML says."""
    scenes = make_scenes()
    write_voc(folder, scenes)
    scene = scenes[VICTIM - 1]
    save_turned(scene, folder / "JPEGImages" / scene.name)
    scene.boxes_xyxy_px = [turn_left(box) for box in place_boxes(scene.number)]
    write_text(folder / "Annotations" / f"{scene.stem}.xml", spell_voc(scene, (WIDTH_PX, HEIGHT_PX)))


def write_blank(folder: Path) -> None:
    place(folder, "blank.png", encode(Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (120, 130, 90)), "PNG"))


def write_long_strip(folder: Path) -> None:
    place(folder, "strip.png", encode(draw_extra().resize((640, 20)), "PNG"))


def copy_to_test(folder: Path, data: bytes) -> None:
    """A copy of the training picture rose-06.jpg among the test pictures."""
    write_given_folders(folder)
    (folder / "test" / "rose" / "copy.jpg").write_bytes(data)


def get_original() -> Image.Image:
    """Of the copies: a picture with contrast, twice the usual size so that little is lost by halving it."""
    return draw(make_scenes()[VICTIM - 1])


def write_exact_copy(folder: Path) -> None:
    copy_to_test(folder, encode(get_original(), "JPEG", quality=92))


def write_reencoded_copy(folder: Path) -> None:
    copy_to_test(folder, encode(get_original(), "JPEG", quality=40))


def write_resized_copy(folder: Path) -> None:
    copy_to_test(folder, encode(get_original().resize((WIDTH_PX * 3 // 4, HEIGHT_PX * 3 // 4)), "JPEG"))


def write_flipped_copy(folder: Path) -> None:
    copy_to_test(folder, encode(get_original().transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG"))
