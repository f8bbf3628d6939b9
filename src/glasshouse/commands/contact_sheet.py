"""Many examples on one picture, with their boxes, for people to look at.

    python -m glasshouse.commands.contact_sheet docs/pictures/blooms.jpg

rebuilds the sheet of the README, always with the same bytes.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from glasshouse.sources.example import Example, ObjectLabel

GAP_PX = 4
COLOURS = (
    "#ffd60a",
    "#f5f5f5",
    "#ff4d6d",
    "#ff9f1c",
    "#d0a2ff",
    "#4cc9f0",
    "#80ed99",
    "#f4acb7",
)  # by category


def contact_sheet(examples: Iterable[Example], columns: int, boxes: bool = True) -> Image.Image:
    """The examples row by row on one RGB picture, each box with its category's name and colour.

    A cell is as large as the largest picture. Raises: ValueError without examples or columns.
    """
    shown = list(examples)
    if not shown or columns < 1:
        raise ValueError(
            f"A contact sheet needs examples and columns. Got {len(shown)} and {columns} instead."
        )
    labels = sorted({item.label for example in shown for item in example.objects})
    cells = [draw_example(example, labels if boxes else None) for example in shown]
    width, height = max(cell.width for cell in cells) + GAP_PX, max(cell.height for cell in cells) + GAP_PX
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width + GAP_PX, rows * height + GAP_PX), "#202124")
    for place, cell in enumerate(cells):
        sheet.paste(cell, (GAP_PX + place % columns * width, GAP_PX + place // columns * height))
    return sheet


def draw_example(example: Example, labels: Sequence[str] | None) -> Image.Image:
    """The decoded picture (RGB), with its boxes where `labels` (all names, one colour each) is given."""
    picture = Image.open(io.BytesIO(example.picture)).convert("RGB")
    if labels is not None:
        for item in example.objects:
            _draw_box(picture, item, COLOURS[labels.index(item.label) % len(COLOURS)])
    return picture


def _draw_box(picture: Image.Image, item: ObjectLabel, colour: str) -> None:
    """The box, and its name on a plate above its upper edge (inside, where there is no room above)."""
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(9.0, picture.width / 20))
    left, top, right, bottom = item.box_xyxy_px
    draw.rectangle((left, top, right - 1, bottom - 1), outline=colour)
    _, _, width, height = draw.textbbox((0, 0), item.label, font)
    x = min(max(left, 0.0), max(picture.width - width - 2.0, 0.0))
    y = top - height - 2 if top >= height + 2 else top
    draw.rectangle((x, y, x + width + 1, y + height + 1), fill=colour)
    draw.text((x + 1, y), item.label, fill="#202124", font=font)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws a world and writes its sheet."""
    parser = argparse.ArgumentParser(prog="python -m glasshouse.commands.contact_sheet", description=__doc__)
    parser.add_argument("path", type=Path, help="the JPEG file to write")
    parser.add_argument("--world", choices=("blooms", "shapes"), default="blooms")
    parser.add_argument("--pictures", type=int, default=18)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--size-px", type=int, default=176, help="side of each picture")
    parser.add_argument("--seed", type=int, default=7)
    wanted = parser.parse_args(arguments)
    sheet = contact_sheet(
        draw_world(wanted.world, wanted.pictures, wanted.size_px, wanted.seed), wanted.columns
    )
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(wanted.path, "JPEG", quality=90, subsampling=0)


def draw_world(world: str, pictures: int, size_px: int, seed: int) -> Iterable[Example]:
    """The first pictures of a drawn world."""
    if world == "shapes":
        from glasshouse.pretraining.shapes.source import Shapes

        return Shapes(pictures, size_px, seed)
    from glasshouse.sources.blooms.source import Blooms

    return Blooms(pictures, size_px, seed)


if __name__ == "__main__":
    main()
