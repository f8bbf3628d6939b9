"""Runs the whole pipeline on a tiny set, in a copy of the project: nobody's data or models are touched.

python tools/smoke.py            the copy is removed afterwards
python tools/smoke.py --keep     the copy stays for a look
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]

# Small enough for a minute; limits that a net trained for seconds cannot keep are opened, all others stand.
TINY: dict[str, Any] = {
    "dataset.blooms.pictures": 80,
    "dataset.blooms.size_px": 96,
    "preprocess.height_px": 64,
    "preprocess.width_px": 64,
    "train_head.epochs": 1,
    "train_head.variants": 1,
    "fine_tune.epochs": 1,
    "fine_tune.warmup_epochs": 0,
    "augment.mosaic_off_epochs": 1,
    "evaluate.bootstrap_rounds": 50,
    "evaluate.gallery_pictures": 4,
    "export.calibration_pictures": 8,
    "export.latency_runs": 2,
    "export.tolerance_int8_map": 1.0,
    "quality.download.min_class_pictures": 1,
    "quality.split.ratio_tolerance": 0.1,
    "quality.train_head.max_final_loss_ratio": 10.0,
    "quality.fine_tune.max_valid_drop": 1.0,
    "quality.evaluate.min_score": 0.0,
}
SCORES = {"detect": ("mAP_50_95", "mAP_50", "mAP_75", "mean_iou", "AR_100"), "classify": ("accuracy",)}


def main() -> int:
    """Copy, shrink, run, look at what came out; the exit status is that of the first step that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave the copy")
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="glasshouse-smoke-"))
    start = time.monotonic()
    try:
        copy_project(folder)
        override(folder / "params.yaml", TINY)
        commit(folder)
        run(folder, "dvc", "repro")
        again = run(folder, "dvc", "repro", quiet=True)
        check_unchanged(again)
        check_outputs(folder)
        run(folder, "glasshouse", "runs", "sync")
        run(folder, "glasshouse", "summary")
    except subprocess.CalledProcessError as error:
        print(f"smoke: {' '.join(map(str, error.cmd))} failed ({error.returncode})", file=sys.stderr)
        return int(error.returncode) or 1
    except SmokeFailure as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    finally:
        if keep:
            print(f"smoke: the copy is {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"smoke: the pipeline runs end to end, {time.monotonic() - start:.0f} s")
    return 0


class SmokeFailure(AssertionError):
    """The pipeline ran, and what came out is not right."""


def copy_project(folder: Path) -> None:
    """Copy the files that git tracks, or would, to `folder`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file() and name != "dvc.lock":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def override(path: Path, changes: dict[str, Any]) -> None:
    """Set dotted keys in a YAML file; raises SmokeFailure for one that is not there."""
    yaml = YAML()
    document = yaml.load(path)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        block = document
        for part in blocks:
            block = block.get(part, {})
        if name not in block:
            raise SmokeFailure(f"{path.name} has no {key} any more: bring TINY in tools/smoke.py up to date.")
        block[name] = value
    yaml.dump(document, path)


def commit(folder: Path) -> None:
    """DVC and the run's git commit want a repository."""
    git = ("git", "-c", "user.name=smoke", "-c", "user.email=smoke@localhost", "-c", "commit.gpgsign=false")
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, *git, "commit", "--quiet", "--no-verify", "--message", "smoke")


def run(folder: Path, *command: str, quiet: bool = False) -> str:
    """Run `command` in the copy, on its own sources and its own MLflow store; gives stdout where quiet."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MLFLOW_TRACKING"))
    }
    environment = {**inherited, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE if quiet else None
    )
    return done.stdout or ""


def check_unchanged(output: str) -> None:
    """A second `dvc repro` has nothing to do."""
    if "Running stage" in output:
        raise SmokeFailure(f"a second `dvc repro` ran stages again:\n{output}")


def check_outputs(folder: Path) -> None:
    """Every output is there, and the scores are numbers from 0 to 1 with every split and key."""
    stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
    outs = [
        out
        for block in stages.values()
        for kind in ("outs", "metrics", "plots")
        for out in block.get(kind, [])
    ]
    names = [out if isinstance(out, str) else next(iter(out)) for out in outs]
    if missing := [name for name in names if not (folder / name).exists()]:
        raise SmokeFailure(f"outputs are missing: {', '.join(missing)}")
    task = YAML(typ="safe").load(folder / "params.yaml")["model"]["task"]
    metrics = json.loads((folder / "reports/evaluate/metrics.json").read_text(encoding="utf-8"))
    for split in ("valid", "test"):
        for key in SCORES[task]:
            score = metrics.get(split, {}).get(key)
            if not (isinstance(score, float | int) and 0 <= score <= 1):
                raise SmokeFailure(
                    f"metrics.json: {split}.{key} must be a number from 0 to 1. Got {score} instead."
                )


if __name__ == "__main__":
    sys.exit(main())
