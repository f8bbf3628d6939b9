"""A severity of params.yaml as a stage meets it."""

from __future__ import annotations

import pytest

from glasshouse.stage import stage

FIRST = "    severity: {}\n    min_pictures"


@pytest.mark.parametrize("name", ["download", "split"])  # its own stage, and any other
def test_a_severity_for_no_check_is_told_before_any_work(project, capsys, name):
    project.set(FIRST, FIRST.replace("{}", "{not_drak: critical}"))
    with pytest.raises(SystemExit) as leaving, stage(name, project.root):
        pytest.fail("the work has begun")
    assert leaving.value.code == 1
    error = capsys.readouterr().err
    assert "quality.download.severity.not_drak: there is no such check. Did you mean 'not_dark'?" in error
    assert "Traceback" not in error


def test_a_severity_of_another_kind_is_a_fault_of_params(project, capsys):
    project.set(FIRST, FIRST.replace("{}", "{not_dark: fatal}"))
    with pytest.raises(SystemExit), stage("download", project.root):
        pytest.fail("the work has begun")
    error = capsys.readouterr().err
    assert "quality.download.severity.not_dark" in error and "Valid: critical, warning" in error


def test_the_severities_of_other_stages_do_nothing_here(project):
    project.set(FIRST, FIRST.replace("{}", "{not_dark: critical}"))
    with stage("split", project.root) as run:
        assert run.params.quality.split.severity == {}
