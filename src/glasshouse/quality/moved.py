"""The checks of how far a data set has moved from the accepted one; `profile` and `drift` measure it."""

from __future__ import annotations

from typing import Any

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, empty

DRIFT = Table(
    "drift",
    (
        *columns("text", "feature"),
        *columns("number", "reference_draws", "present_draws", "psi", "psi_by_chance", "psi_beyond"),
        *columns("number", "reference", "present", "ks", "ks_by_chance", "ks_beyond", nullable=True),
    ),
    min_rows=0,
    optional=True,
)
CATEGORY_CHANGES = Table(
    "category_changes",
    (
        *columns("text", "name"),
        *columns("integer", "accepted_id", "category_id", nullable=True),
        *columns("text", "change", nullable=True),
    ),
    min_rows=0,
    optional=True,
)


def drift_checks(thresholds: Any) -> tuple[Check, ...]:
    """The checks against the accepted data version, with the limits of `quality.download`."""
    remedy = (
        "The data has changed since it was last accepted: if that is meant, `glasshouse accept` makes this "
        "version the reference; if not, look at how the pictures were taken and labelled."
    )
    row = ("feature", "reference", "present")
    return (
        Check(
            "stable_by_psi",
            "drift",
            between("psi_beyond", high=thresholds.max_psi),
            f"{remedy} The limit is quality.download.max_psi.",
            "warning",
            rows=(*row, "psi", "psi_by_chance"),
        ),
        Check(
            "stable_by_ks",
            "drift",
            between("ks_beyond", high=thresholds.max_ks),
            f"{remedy} The limit is quality.download.max_ks.",
            "warning",
            rows=(*row, "ks", "ks_by_chance"),
        ),
        Check(
            "categories_as_accepted",
            "category_changes",
            empty("change"),
            f"{remedy} A network trained on the other classes cannot be compared with one of these.",
            "warning",
            rows=("name", "accepted_id", "category_id"),
        ),
    )
