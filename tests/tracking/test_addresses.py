"""Which part of an address is a secret, and what only looks like one."""

from __future__ import annotations

import pytest

from glasshouse.tracking.addresses import conceal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ada:secret@house/mlflow", "https://house/mlflow"),
        ("https://token@github.com/ada/plants.git", "https://github.com/ada/plants.git"),
        ("postgresql+psycopg://ada:p@ss@house:5432/runs", "postgresql+psycopg://house:5432/runs"),
        ("from http://a:b@c/d to http://e:f@g/h", "from http://c/d to http://g/h"),
        ("git@github.com:ada/plants.git", "git@github.com:ada/plants.git"),
        ("sqlite:////home/ada@work/mlflow.db", "sqlite:////home/ada@work/mlflow.db"),
        ("http://house/api of models:/a@champion", "http://house/api of models:/a@champion"),
    ],
)
def test_what_is_shown_of_an_address(text: str, shown: str) -> None:
    assert conceal(text) == shown
