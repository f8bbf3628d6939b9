"""A source whose pictures are drawn when they are asked for, by several processes, in a fixed order."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from glasshouse.geometry.rle import encode_mask
from glasshouse.sources.drawing.objects import Drawing
from glasshouse.sources.example import Example, LabelFault, ObjectLabel, SourceError

JPEG_QUALITY = 93
CHUNK = 16  # pictures a process draws before it hands them over

Draw = Callable[[int, int, int], Drawing]


@dataclass(frozen=True)
class DrawnSource:
    """Pictures 0 .. pictures - 1 of a drawn world, as JPEG files.

    draw: (seed, index, size_px) -> Drawing, a function of a module; name: first part of every file name;
    workers: processes that draw (1: this one does). The first n pictures of a set are those of a larger one.
    Where Python spawns processes (not on Linux), a script that iterates must guard its start by __name__.
    """

    draw: Draw
    name: str
    categories: tuple[str, ...]
    pictures: int
    size_px: int
    seed: int
    workers: int = 2
    faults: tuple[LabelFault, ...] = ()  # none are drawn

    def __post_init__(self) -> None:
        """Raises ValueError where a count or size is out of its range."""
        for field, low, high in (("pictures", 0, 10**7), ("size_px", 16, 4096), ("workers", 1, 256)):
            value = getattr(self, field)
            if not low <= value <= high:
                raise ValueError(
                    f"The '{field}' of drawn pictures must be {low} to {high}. Got {value!r} instead."
                )
        if self.seed < 0:
            raise ValueError(f"The 'seed' of drawn pictures must be 0 or more. Got {self.seed!r} instead.")

    def __len__(self) -> int:
        """Number of pictures."""
        return self.pictures

    def __iter__(self) -> Iterator[Example]:
        """The pictures in the order of their numbers, with a progress bar on a terminal.

        Raises:
            SourceError: one of the processes was killed.
        """
        with (
            closing(self._drawn()) as examples,
            tqdm(total=self.pictures, desc=f"drawing {self.name}s", unit="picture", disable=None) as bar,
        ):
            for example in examples:
                yield example
                bar.update()

    def _drawn(self) -> Generator[Example]:
        make = partial(draw_example, self.draw, self.name, self.seed, self.size_px)
        if self.workers == 1 or self.pictures <= CHUNK:
            yield from map(make, range(self.pictures))
            return
        numbers = range(self.pictures)
        chunks = [numbers[start : start + CHUNK] for start in range(0, self.pictures, CHUNK)]
        team = Team(make, [chunks[first :: self.workers] for first in range(self.workers)])
        try:
            for turn in range(len(chunks)):
                yield from team.receive(turn % self.workers)
        except EOFError:
            raise SourceError(
                f"A process that draws {self.name}s was killed, as the system does where memory "
                "runs out: free some, and run it again."
            ) from None
        finally:
            team.end()


class Team:
    """Processes that draw, each with a pipe of its own.

    A pool would have them share one: a process that is killed while it writes there leaves it locked, and
    half a message in it, and all others wait for ever.
    """

    def __init__(self, make: Callable[[int], Example], shares: Iterable[Sequence[range]]) -> None:
        """Start one process for each share, the chunks that it is to draw in that order."""
        self._processes: list[Process] = []
        self._pipes: list[Connection] = []
        for share in shares:
            pipe, sender = Pipe(duplex=False)
            self._pipes.append(pipe)
            process = Process(target=_draw_share, args=(make, share, sender, list(self._pipes)), daemon=True)
            process.start()
            self._processes.append(process)
            sender.close()  # so that the pipe ends when its process does

    def receive(self, number: int) -> list[Example]:
        """The next chunk of a process; raises what went wrong there, or EOFError where it was killed."""
        try:
            drawn = self._pipes[number].recv()
        except OSError as error:  # in the middle of a message
            raise EOFError from error
        if isinstance(drawn, Exception):
            raise drawn
        return cast("list[Example]", drawn)

    def end(self) -> None:
        """End all of them, whatever they do."""
        for process in self._processes:
            process.kill()
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            process.join()
            pipe.close()


def _draw_share(
    make: Callable[[int], Example], share: Sequence[range], sender: Connection, inherited: list[Connection]
) -> None:
    """Draw and hand over, one chunk after the other; each waits until the one before was taken."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    for pipe in inherited:
        pipe.close()  # so that nobody writes on for a parent that was killed
    try:
        for numbers in share:
            sender.send([make(number) for number in numbers])
    except BrokenPipeError:
        return  # the parent is gone
    except Exception as error:
        sender.send(error)


def draw_example(draw: Draw, name: str, seed: int, size_px: int, index: int) -> Example:
    """Picture `index` as an encoded example; its label is the category that takes up most of it, or None."""
    drawing = draw(seed, index, size_px)
    objects = tuple(
        ObjectLabel(item.label, item.box_xyxy_px, mask=encode_mask(drawing.ids == item.object_id))
        for item in drawing.objects
    )
    return Example(f"{name}-{index:05d}.jpg", encode_jpeg(drawing.pixels), find_prominent(drawing), objects)


def find_prominent(drawing: Drawing) -> str | None:
    """The category with the largest visible area (of two equal ones, the one further behind), or None."""
    areas: dict[str, int] = {}
    for item in drawing.objects:
        areas[item.label] = areas.get(item.label, 0) + item.area_px
    return max(areas, key=lambda label: areas[label]) if areas else None


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels (H, W, 3) as a JPEG file with full colour resolution (4:4:4)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()
