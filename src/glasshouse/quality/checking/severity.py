"""How bad a finding is, where params.yaml sees it otherwise than the suite does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from glasshouse.params.faults import suggest
from glasshouse.quality.checking.checks import Check


def overrule(checks: Sequence[Check], severity: Mapping[str, Any], stage: str) -> tuple[Check, ...]:
    """The checks with the severities of `quality.STAGE.severity`.

    The contract of the tables is not among them: where it is broken nothing else could be looked at.

    Raises:
        ValueError: there is no such check, naming each unknown one and the nearest that there is.
    """
    names = [check.name for check in checks]
    unknown = [name for name in severity if name not in names]
    if unknown:
        faults = "\n".join(
            f"params.yaml: quality.{stage}.severity.{name}: there is no such check. {suggest(name, names)}"
            for name in unknown
        )
        raise ValueError(faults)
    return tuple(replace(check, severity=severity.get(check.name, check.severity)) for check in checks)
