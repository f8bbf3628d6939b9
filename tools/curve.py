"""Score over CPU-seconds: both trainings as params.yaml sets them, on data/prepared/, for several seeds and
weights.

python tools/curve.py                                     the seed and the weights of params.yaml
python tools/curve.py --seeds 7 8 9 --weights builtin none
python tools/curve.py --out docs/curve.json

Every row says how many CPU-seconds of this process the trainings had taken (validation left out) and what the
averaged weights scored then. Nothing of the pipeline is changed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PREPARED = Path("data/prepared")


def cpu_seconds() -> float:
    """CPU-seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """CPU and wall seconds, less what was spent inside `paused`."""

    def __init__(self) -> None:
        self.cpu, self.wall = -cpu_seconds(), -time.perf_counter()

    def paused(self, work: Any) -> Any:
        """Do `work` off the clock."""
        cpu, wall = cpu_seconds(), time.perf_counter()
        done = work()
        self.cpu -= cpu_seconds() - cpu
        self.wall -= time.perf_counter() - wall
        return done

    def read(self) -> dict[str, float]:
        """Seconds so far."""
        spent = {"cpu_s": self.cpu + cpu_seconds(), "wall_s": self.wall + time.perf_counter()}
        return {name: round(seconds, 1) for name, seconds in spent.items()}


def measure(seed: int, weights: str, every: int) -> list[dict[str, Any]]:
    """Rows (phase, epoch, cpu_s, wall_s, scores) of one run of both trainings, the last one with the test
    scores."""
    from glasshouse.evaluation.validate import make_validator
    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.inputs.stream import pictures_of
    from glasshouse.params import read_params
    from glasshouse.training.checkpoints import Checkpoint
    from glasshouse.training.fine_tune import fine_tune
    from glasshouse.training.head import train_head
    from glasshouse.training.network_files import start_network
    from glasshouse.training.runtime import prepare_runtime

    params = read_params()
    prepare_runtime(seed)
    train, valid, test = (open_prepared(PREPARED, name) for name in ("train", "valid", "test"))
    task, rows, clock = params.model.task, [], Stopwatch()
    backbone = params.model.backbone.model_copy(update={"weights": weights})
    network = start_network(params.model.model_copy(update={"backbone": backbone}), train, seed)
    validate = make_validator(network, valid, task, params.evaluate)

    def look(phase: str, epoch: int) -> dict[str, float]:
        spent = clock.read()
        scores: dict[str, float] = clock.paused(validate)
        rows.append({"seed": seed, "weights": weights, "phase": phase, "epoch": epoch, **spent, **scores})
        print(json.dumps(rows[-1]), flush=True)
        return scores

    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {"seed": seed, "fill": params.preprocess.pad_value}
        pictures = pictures_of(train, task)
        head_checkpoint = Checkpoint(Path(folder, "head.npz"), "")
        train_head(network, pictures, params.train_head, params.augment, checkpoint=head_checkpoint, **common)
        look("train_head", params.train_head.epochs)
        last = params.fine_tune.epochs
        epochs = iter([0, *range(every, last, every), last, last])
        tune = params.fine_tune.model_copy(update={"validate_every": every})
        fine_tune(
            network,
            pictures,
            tune,
            params.augment,
            checkpoint=Checkpoint(Path(folder, "tune.npz"), ""),
            validate=lambda: look("fine_tune", next(epochs)),
            **common,
        )
    scores = make_validator(network, test, task, params.evaluate)()
    rows.append({"seed": seed, "weights": weights, "phase": "test", **rows[-1], **scores} | {"phase": "test"})
    print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> int:
    """Measure every seed and weights in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="default: seed + model.seed of params.yaml")
    parser.add_argument("--weights", nargs="+", help="default: those of params.yaml")
    parser.add_argument("--every", type=int, default=2, help="epochs between two scorings")
    parser.add_argument("--out", type=Path, help="file for all rows")
    asked = parser.parse_args()
    if asked.every < 1:
        parser.error(f"--every must be 1 or more. Got {asked.every} instead.")
    from glasshouse.params import read_params
    from glasshouse.training.runtime import training_seed

    params = read_params()
    seeds = asked.seeds or [training_seed(params)]
    runs = [(seed, name) for name in asked.weights or [params.model.backbone.weights] for seed in seeds]
    if len(runs) == 1:
        rows = measure(*runs[0], asked.every)
    else:
        rows = [row for seed, weights in runs for row in measure_apart(seed, weights, asked.every)]
    if asked.out:
        asked.out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    return 0


def measure_apart(seed: int, weights: str, every: int) -> list[dict[str, Any]]:
    """`measure` in a fresh process, so that none inherits another's compiled graphs."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        asked = {"--seeds": seed, "--weights": weights, "--every": every, "--out": file.name}
        words = [str(word) for pair in asked.items() for word in pair]
        subprocess.run([sys.executable, __file__, *words], check=True)
        rows: list[dict[str, Any]] = json.loads(Path(file.name).read_text(encoding="utf-8"))
    return rows


if __name__ == "__main__":
    sys.exit(main())
