from __future__ import annotations

from pathlib import Path

from retrain_world import SPECIES, fill, say_last


def make_photos(folder: Path) -> list[Path]:
    photos = [folder / SPECIES[number % 3] / f"{number:02}.jpg" for number in range(30)]
    for path in photos:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    return photos


def look(bucket: Path) -> dict[str, str]:
    return {path.name: path.parent.name for path in bucket.rglob("*.jpg")}


def test_a_bucket_holds_just_what_it_was_filled_with(tmp_path: Path) -> None:
    photos, bucket = make_photos(tmp_path / "photos"), tmp_path / "bucket"
    truth = {path.name: path.parent.name for path in photos}
    fill(bucket, photos[:10], shuffle=1)
    careless = look(bucket)
    assert careless.keys() == {path.name for path in photos[:10]} and set(careless.values()) <= set(SPECIES)
    assert sum(truth[name] == label for name, label in careless.items()) < 8
    fill(bucket, photos[:10], shuffle=1)
    assert look(bucket) == careless
    fill(bucket, photos)
    assert look(bucket) == truth


def test_the_last_line_with_some_words_is_quoted() -> None:
    assert say_last("retrain: a 1\nretrain: a 2\nb", "a") == "a 2"
    assert say_last("b", "a") == "(nothing of 'a')"
