"""What a data version looks like in figures, and how far it is from the one that was accepted last.

`download` writes reports/quality/profile.json: the profile of what it has gathered, the one in
data/accepted.json beside it, and the distances. `glasshouse accept` makes the present profile the accepted
one. MLflow keeps the file with the run and so with the registered model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from glasshouse.quality.drift import Shift, compare_counts, compare_functions, compare_in_bins
from glasshouse.quality.sketches import Sketch, count_draws, read_sketch, sketch

VERSION = 1  # of the documents
IDENTITY = ("images", "objects", "categories")  # tables whose bytes tell one data version from another
NO_LABEL = "(no label)"


class ProfileError(ValueError):
    """A profile cannot be read; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each class occurs, and of how many independent draws that tells."""

    pictures: float
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """One data version.

    Attributes:
        data: digest of its tables.
        pictures: how many it has.
        categories: class name -> category_id.
        sketches: distributions by name: sides, ratio, levels, boxes a picture and their relative side.
        mixes: `labels` of pictures, `objects` by class; one is left out where there are none.
    """

    data: str
    pictures: int
    categories: dict[str, int]
    sketches: dict[str, Sketch]
    mixes: dict[str, Mix]

    def as_json(self) -> dict[str, Any]:
        """What `read_profile` reads."""
        sketches = {name: part.as_json() for name, part in self.sketches.items()}
        mixes = {name: asdict(part) for name, part in self.mixes.items()}
        return {"version": VERSION, "data": self.data, "pictures": self.pictures,
                "categories": self.categories, "sketches": sketches, "mixes": mixes}  # fmt: skip


def read_profile(document: Mapping[str, Any], where: Path) -> Profile:
    """What `as_json` gave; raises ProfileError naming the file `where` it stands."""
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']} is not {VERSION}")
        sketches = {name: read_sketch(part) for name, part in document["sketches"].items()}
        mixes = {name: Mix(**part) for name, part in document["mixes"].items()}
        parts = (document["data"], document["pictures"], document["categories"])
        return Profile(*parts, sketches, mixes)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProfileError(
            f'{where.as_posix()} holds no profile of this version ({error}): put {{"accepted": null}} into '
            "data/accepted.json, run `dvc repro download`, then `glasshouse accept`."
        ) from error


def read_accepted(path: Path) -> Profile | None:
    """The profile that was accepted last; None where nothing was yet, or the file is not there.

    Raises:
        ProfileError: the file is damaged; without its key it must not pass for one that holds nothing.
    """
    if not path.is_file():
        return None
    document = _read_json(path, "take the last good one from git")
    if "accepted" not in document:
        raise ProfileError(
            f"{path.as_posix()} lacks the key accepted: take the last good one from git, or write "
            '{"accepted": null} into it where no data version was accepted yet.'
        )
    accepted = document["accepted"]
    return None if accepted is None else read_profile(accepted, path)


def read_present(path: Path) -> Profile:
    """The profile in the file that `write_profile` wrote; raises ProfileError where it is missing."""
    if not path.is_file():
        raise ProfileError(f"{path.as_posix()} is missing: run `dvc repro download` first.")
    document = _read_json(path, "delete it and run `dvc repro --force download`, which writes it anew")
    return read_profile(document.get("profile", {}), path)


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ProfileError(f"{path.as_posix()} is no JSON ({error}): {remedy}.") from error
    if not isinstance(document, dict):
        raise ProfileError(f"{path.as_posix()} must hold a JSON object. Got {type(document).__name__}.")
    return document


def digest_data(folder: Path) -> str:
    """SHA-256 over the tables of data/raw that make up a data version."""
    digest = hashlib.sha256()
    for table in IDENTITY:
        digest.update(hashlib.sha256((folder / f"{table}.parquet").read_bytes()).digest())
    return digest.hexdigest()


def take_profile(tables: Mapping[str, pd.DataFrame], data: str) -> Profile:
    """The profile of `images`, `objects`, `categories` and `statistics`, under the digest `data`."""
    images, objects, statistics = tables["images"], tables["objects"], tables["statistics"]
    boxes = objects.groupby("image_id").size().reindex(images["image_id"], fill_value=0)
    numbers: dict[str, Any] = {
        "width_px": images["width_px"],
        "height_px": images["height_px"],
        "ratio": images["width_px"] / images["height_px"],
        **{name: statistics[name] for name in ("mean_level", "spread_level", "sharpness")},
        "boxes_per_picture": boxes,
    }
    taken = {name: sketch(values) for name, values in numbers.items()}
    taken["box_side"] = sketch(_relative_sides(objects, images), count_draws(boxes))
    categories = tables["categories"]
    names = categories.set_index("category_id")["name"]
    return Profile(
        data,
        len(images),
        {str(name): int(number) for number, name in categories[["category_id", "name"]].to_numpy(object)},
        {name: part for name, part in taken.items() if part is not None},
        _mixes(images, objects, names, count_draws(boxes)),
    )


def _relative_sides(objects: pd.DataFrame, images: pd.DataFrame) -> pd.Series[Any]:
    """Root of each box's share of its picture, 0..1."""
    both = objects.merge(images[["image_id", "width_px", "height_px"]], on="image_id")
    width, height = both["x_max_px"] - both["x_min_px"], both["y_max_px"] - both["y_min_px"]
    share = width.clip(lower=0) * height.clip(lower=0) / (both["width_px"] * both["height_px"])
    return share.astype("float64") ** 0.5


def _mixes(
    images: pd.DataFrame, objects: pd.DataFrame, names: pd.Series[Any], draws: float
) -> dict[str, Mix]:
    mixes = {}
    if images["label"].notna().any():
        labels = images["label"].astype(object).where(images["label"].notna(), NO_LABEL)
        mixes["labels"] = Mix(float(len(images)), _count(labels))
    if len(objects):
        mixes["objects"] = Mix(draws, _count(objects["category_id"].map(names)))
    return mixes


def _count(values: pd.Series[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().sort_index().items()}


def compare_profiles(reference: Profile, present: Profile) -> pd.DataFrame:
    """The table `drift`: one row a distribution or mix of both profiles, with its distances."""
    rows = [
        _row(name, old, new, compare_in_bins(old, new), compare_functions(old, new))
        | {"reference": old.quantile(0.5), "present": new.quantile(0.5)}
        for name, old in reference.sketches.items()
        if (new := present.sketches.get(name))
    ]
    rows += [
        _row(f"mix_of_{name}", was, now, compare_counts(was.counts, now.counts, (was.pictures, now.pictures)))
        for name, was in reference.mixes.items()
        if (now := present.mixes.get(name))
    ]
    return pd.DataFrame(rows, columns=list(DRIFT)).astype(DRIFT)


DRIFT = {"feature": "str"} | dict.fromkeys(
    (
        *("reference", "present", "reference_draws", "present_draws"),
        *("psi", "psi_by_chance", "psi_beyond", "ks", "ks_by_chance", "ks_beyond"),
    ),
    "float64",
)


def _row(
    name: str, old: Sketch | Mix, new: Sketch | Mix, psi: Shift, ks: Shift | None = None
) -> dict[str, Any]:
    row = {"feature": name, "reference_draws": old.pictures, "present_draws": new.pictures}
    row |= {"psi": psi.distance, "psi_by_chance": psi.by_chance, "psi_beyond": psi.beyond}
    return row | ({"ks": ks.distance, "ks_by_chance": ks.by_chance, "ks_beyond": ks.beyond} if ks else {})


def compare_categories(reference: Profile, present: Profile) -> pd.DataFrame:
    """The table `category_changes`: one row a class of either; `change` is null where it kept its number."""
    names = list(dict.fromkeys([*reference.categories, *present.categories]))
    rows = []
    for name in names:
        old, new = reference.categories.get(name), present.categories.get(name)
        change = None if old == new else "new" if old is None else "gone" if new is None else "renumbered"
        rows.append({"name": name, "accepted_id": old, "category_id": new, "change": change})
    kinds = {"name": "str", "accepted_id": "Int64", "category_id": "Int64", "change": "str"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def write_profile(
    folder: Path, tables: Mapping[str, pd.DataFrame], accepted: Path, out: Path
) -> dict[str, pd.DataFrame]:
    """Take the profile of data/raw, compare it with the accepted one, write both.

    Args:
        folder: data/raw.
        tables: its `images`, `objects`, `categories`, `statistics`.
        accepted: data/accepted.json.
        out: reports/quality/profile.json.

    Returns:
        `drift` and `category_changes` for the guard, empty where nothing was accepted yet.

    Raises:
        ProfileError: the accepted profile cannot be read.
    """
    present, reference = take_profile(tables, digest_data(folder)), read_accepted(accepted)
    against = reference or Profile("", 0, {}, {}, {})
    drift = compare_profiles(against, present)
    changes = compare_categories(against, present) if reference else compare_categories(against, against)
    document = {
        "profile": present.as_json(),
        "reference": reference.as_json() if reference else None,
        "drift": json.loads(drift.round(6).to_json(orient="records")),
    }
    write_document(document, out)
    return {"drift": drift, "category_changes": changes}


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write JSON with a line for every list and every plain value: few lines, and useful differences."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(lay_out(document) + "\n", encoding="utf-8", newline="\n")
    new.replace(path)


def lay_out(value: Any, indent: str = "") -> str:
    """JSON text; objects over several lines, all else in one."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner = indent + " "
    entries = [
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {lay_out(part, inner)}" for key, part in value.items()
    ]
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


def say_reference(tables: Mapping[str, pd.DataFrame]) -> str:
    """What the data was compared with, from what `write_profile` returned."""
    if tables["category_changes"].empty:
        return "drift: no data version was accepted yet; `glasshouse accept` makes this one the reference"
    return f"drift: {len(tables['drift'])} distributions compared with the accepted data version"
