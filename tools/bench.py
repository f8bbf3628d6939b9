"""How long things take on this machine, each as a ratio against a stated peer, measured in turns in one run.

python tools/bench.py                 all rows, on the finished pipeline of this folder, which stays as it is
python tools/bench.py noop metrics    some of them

Figures are the minimum of several runs: on a shared machine everything else is the neighbours' noise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
PREDICTED = 800  # pictures
Row = tuple[str, float, str, float, str]  # what, its figure, the peer, its figure, unit


def wall_of(command: list[str], folder: Path) -> float:
    """Wall seconds of a command; raises CalledProcessError with its output where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} in {folder} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def in_turns(
    one: Callable[[], float], other: Callable[[], float], rounds: int = ROUNDS
) -> tuple[float, float]:
    """Minimum of each, measured alternately so that both meet the same noise."""
    pairs = [(one(), other()) for _ in range(rounds)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def bench_noop() -> list[Row]:
    """`dvc repro` with nothing to do, against a seven-stage pipeline that does nothing."""
    dvc = shutil.which("dvc") or "dvc"
    status = subprocess.run([dvc, "status", "--quiet"], cwd=ROOT, check=False)
    if status.returncode:
        raise SystemExit("The pipeline is not up to date: run `make repro` first.")
    with tempfile.TemporaryDirectory() as name:
        empty = make_empty_pipeline(Path(name))
        ours, theirs = in_turns(lambda: wall_of([dvc, "repro"], ROOT), lambda: wall_of([dvc, "repro"], empty))
    return [("no-op dvc repro", ours, "the same with seven empty stages", theirs, "s")]


def make_empty_pipeline(folder: Path) -> Path:
    """Seven stages in a row, each copying the file of the one before; run once."""
    stages = "".join(
        f"  s{i}:\n    cmd: cp f{i - 1} f{i}\n    deps: [f{i - 1}]\n    outs: [f{i}]\n" for i in range(1, 8)
    )
    (folder / "f0").write_text("0\n")
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
        wall_of(command, folder)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    return folder


def bench_head() -> list[Row]:
    """An epoch of the head on cached features, against a live one, and the scores that both reach."""
    from glasshouse.evaluation.validate import MAIN_SCORE, make_validator
    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.inputs.stream import pictures_of
    from glasshouse.params import read_params
    from glasshouse.training.checkpoints import Checkpoint
    from glasshouse.training.head import train_head
    from glasshouse.training.network_files import start_network
    from glasshouse.training.runtime import prepare_runtime

    params = read_params()
    prepare_runtime(params.seed)
    task = params.model.task
    train, valid = (open_prepared(Path("data/prepared"), name) for name in ("train", "valid"))

    def run(features: str) -> tuple[float, float]:
        network = start_network(params.model, train, params.seed)
        times = [time.perf_counter()]
        with tempfile.TemporaryDirectory() as folder:
            train_head(
                network,
                pictures_of(train, task),
                params.train_head.model_copy(update={"features": features}),
                params.augment,
                seed=params.seed,
                fill=params.preprocess.pad_value,
                checkpoint=Checkpoint(Path(folder, "c.npz"), ""),
                on_epoch=lambda epoch, row: times.append(time.perf_counter()),
            )
        epochs = [after - before for before, after in pairwise(times[1:])]
        return min(epochs), make_validator(network, valid, task, params.evaluate)()[MAIN_SCORE[task]]

    (live, live_score), (cached, cached_score) = run("live"), run("cached")
    return [
        ("head epoch, live", live, "head epoch, cached features", cached, "s"),
        (f"{MAIN_SCORE[task]} of the head, cached", cached_score, "live", live_score, ""),
    ]


def bench_step() -> list[Row]:
    """CPU-seconds of a fine-tuning step, against the same one with what `training/kernels` and the optimizer
    compute otherwise as Keras composes it, and of the batch that it learns from."""
    from unittest.mock import patch

    import keras

    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.inputs.stream import pictures_of
    from glasshouse.models.network import freeze
    from glasshouse.params import read_params
    from glasshouse.training.fine_tune import build_stream, schedule
    from glasshouse.training.learner import Learner
    from glasshouse.training.network_files import start_network
    from glasshouse.training.runtime import prepare_runtime

    params = read_params()
    prepare_runtime(params.seed)
    tune, train = params.fine_tune, open_prepared(Path("data/prepared"), "train")
    networks = [start_network(params.model, train, params.seed) for _ in range(2)]
    for network in networks:
        freeze(network, tune.unfreeze_from, batch_norm=tune.batch_norm)
    learner_module = "glasshouse.training.learner"
    with patch(f"{learner_module}.fuse_batch_norms"), patch(f"{learner_module}.multiply_pointwise"):
        composed = Learner(networks[1].full, networks[1])
    fused, pictures = Learner(networks[0].full, networks[0]), pictures_of(train, params.model.task)
    stream = build_stream(
        networks[0], pictures, tune, params.augment, params.seed, params.preprocess.pad_value, {}
    )
    fused.compile(optimizer=schedule(tune, stream.steps), jit_compile=False)
    rate = schedule(tune, stream.steps)._learning_rate
    adam = keras.optimizers.AdamW(rate, tune.weight_decay, global_clipnorm=tune.clip_norm, use_ema=True)
    adam.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    composed.compile(optimizer=adam, jit_compile=False)
    for learner in (fused, composed):
        learner.optimizer.build(learner.trainable_variables)  # as `fit` does: to be left out of tracing
    batches = list(stream(0, ROUNDS))

    def step(learner: Any) -> list[float]:
        return [cpu_of(partial(learner.train_on_batch, *batch)) for batch in batches]

    first = [cpu_of(partial(learner.train_on_batch, *batches[0])) for learner in (fused, composed)]
    turns = [(min(step(fused)), min(step(composed))) for _ in range(ROUNDS)]
    ours, theirs = min(one for one, _ in turns), min(other for _, other in turns)
    batch = min(cpu_of(lambda: list(stream(0, stream.steps))) / stream.steps for _ in range(2))
    peer = "as Keras composes it"
    return [
        ("fine-tuning step, CPU", ours, peer, theirs, "s"),
        ("the first, traced, CPU", first[0], peer, first[1], "s"),
        ("its augmented batch, CPU", batch, "the step", ours, "s"),
    ]


def cpu_of(work: Callable[[], Any]) -> float:
    """CPU-seconds that this process takes for some work, in all its threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def bench_metrics() -> list[Row]:
    """Scoring the test predictions, against pycocotools on the same files, and whether both agree."""
    import contextlib
    import io
    import json

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from glasshouse.evaluation.coco_files import read_coco_files
    from glasshouse.metrics.bootstrap import mean_known
    from glasshouse.metrics.detection import average_precision
    from glasshouse.metrics.matching import match_detections

    folder = Path("reports/evaluate/test")
    arrays = read_coco_files(folder)
    scores: dict[str, float] = {}

    def ours() -> float:
        start = time.perf_counter()
        matches = match_detections(
            arrays.objects, arrays.detections, arrays.picture_ids, list(arrays.categories)
        )
        scores["ours"] = float(mean_known(average_precision(matches)))
        return time.perf_counter() - start

    def theirs() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(folder / "ground_truth.json"))
            results = truth.loadRes(json.loads((folder / "predictions.json").read_text()))
            start = time.perf_counter()
            evaluation = COCOeval(truth, results, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            seconds = time.perf_counter() - start
            evaluation.summarize()
        scores["theirs"] = float(evaluation.stats[0])
        return seconds

    one, other = in_turns(ours, theirs)
    return [
        ("mAP of the test split", one, "pycocotools", other, "s"),
        ("mAP_50_95", scores["ours"], "pycocotools", scores["theirs"], ""),
    ]


def bench_start() -> list[Row]:
    """Start-up of what must not import TensorFlow, against a bare interpreter."""
    python = sys.executable

    def of(*words: str) -> Callable[[], float]:
        return lambda: wall_of([python, *words], ROOT)

    rows: list[Row] = []
    for what, words in (
        ("glasshouse --help", ("-m", "glasshouse.cli", "--help")),
        ("import glasshouse.params", ("-c", "import glasshouse.params")),
    ):
        ours, theirs = in_turns(of(*words), of("-c", "pass"))
        rows.append((what, ours, "python -c pass", theirs, "s"))
    return rows


def bench_predict() -> list[Row]:
    """Pictures a second of `glasshouse predict` on files, against bare inference of the same export on arrays
    that lie ready in memory, in its fastest batch size and with all threads."""
    import numpy as np

    from glasshouse.prediction.batch import predict_files, write_drawn
    from glasshouse.prediction.files import list_pictures
    from glasshouse.prediction.predictor import BATCH, SCORE
    from glasshouse.prediction.tables import choose_formats, open_tables
    from glasshouse.tracking.loading import load

    model = str(ROOT / "exports" / "model.onnx")
    ours, bare = load(model, threads=1), load(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_pictures(folder / "in", PREDICTED)
        files = list_pictures([folder / "in"]).pictures
        ready = np.stack([ours.prepare(file.path).pixels_rgb for file in files]).astype(np.float32)

        def predict(draw: bool) -> float:
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            tables = open_tables(choose_formats(None, ours.recipe), out, ours.recipe)
            predict_files(ours, files, tables, out, score=SCORE, draw=write_drawn(out) if draw else None)
            return (time.perf_counter() - start) / count

        def infer(batch: int) -> float:
            start = time.perf_counter()
            for first in range(0, count, batch):
                bare.run(ready[first : first + batch])
            return (time.perf_counter() - start) / count

        batch = min((1, BATCH, 32, 64), key=lambda size: min(infer(size) for _ in range(2)))
        rows: list[Row] = []
        for what, draw in (("with drawings", True), ("tables only", False)):
            mine, theirs = in_turns(lambda draw=draw: predict(draw), lambda: infer(batch))
            rows.append((f"predict files, {what}", 1 / mine, f"bare, batch {batch}", 1 / theirs, "/s"))
    return rows


def write_pictures(folder: Path, count: int) -> int:
    """The first encoded pictures of data/raw as files; how many there are."""
    import pyarrow.parquet as pq

    from glasshouse.tables.raw import list_shards

    folder.mkdir()
    written = 0
    for shard in list_shards(ROOT / "data" / "raw"):
        for row in pq.read_table(shard, columns=["file_name", "picture"]).to_pylist()[: count - written]:
            (folder / f"{written:05}{Path(row['file_name']).suffix}").write_bytes(row["picture"])
            written += 1
    return written


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "noop": bench_noop,
    "start": bench_start,
    "metrics": bench_metrics,
    "head": bench_head,
    "step": bench_step,
    "predict": bench_predict,
}


def say(row: Row) -> str:
    """One line of the table."""
    what, figure, peer, other, unit = row
    ratio = f"{figure / other:8.2f}" if other else "       -"
    return f"{what:36} {figure:10.4f} {unit:2} {ratio} x  {peer} ({other:.4f} {unit})".rstrip()


def main() -> int:
    """Print the rows asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*BENCHES, []], help="default: all")
    asked: Any = parser.parse_args()
    os.chdir(ROOT)
    for name in asked.rows or BENCHES:
        for row in BENCHES[name]():
            print(say(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
