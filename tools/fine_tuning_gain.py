"""What fine-tuning brought: the frozen head's network and the finished one on the same pictures.

python tools/fine_tuning_gain.py [FOLDER]      a project whose pipeline has run; default: this one

Prints the main score of models/head.keras and models/model.keras on validation and test, and the difference
with its 95 % interval by paired bootstrap (metrics/paired.py). The finished network is the better of both on
validation, so that row flatters it; the test row does not.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {"frozen head": Path("models/head.keras"), "fine-tuned": Path("models/model.keras")}
CONFIDENCE = 0.95


def main() -> int:
    """Print one row a split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    os.chdir(parser.parse_args().folder)
    missing = [str(path) for path in NETWORKS.values() if not path.is_file()]
    if missing:
        raise SystemExit(
            f"{Path.cwd()} has no {', '.join(missing)}: run the pipeline there first (dvc repro)."
        )

    from glasshouse.evaluation.validate import MAIN_SCORE
    from glasshouse.metrics.paired import compare_paired
    from glasshouse.params import read_params
    from glasshouse.training.runtime import prepare_runtime

    params = read_params()
    prepare_runtime(params.seed)
    before, after = (score_splits(params, path) for path in NETWORKS.values())
    print(f"{MAIN_SCORE[params.model.task]}, {CONFIDENCE:.0%} interval of the difference by paired bootstrap")
    for split, (score, pictures) in after.items():
        gain = compare_paired(
            before[split][0],
            score,
            pictures,
            rounds=params.evaluate.bootstrap_rounds,
            seed=params.seed,
            confidence=CONFIDENCE,
        )
        print(
            f"{split:5} {pictures} pictures: frozen head {gain.first:.3f}, fine-tuned {gain.second:.3f}, "
            f"difference {gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        )
    return 0


def score_splits(params: Any, path: Path) -> dict[str, Any]:
    """Main score of a network as a function of the pictures' weights, and how many there are, by split."""
    from glasshouse.evaluation.results import evaluate_split
    from glasshouse.evaluation.splits import compile_network, predict_splits
    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.tables.raw import read_raw
    from glasshouse.training.network_files import open_network

    splits = {name: open_prepared(Path("data/prepared"), name) for name in ("valid", "test")}
    network = open_network(params.model, splits["test"], path)
    predict = compile_network(network, params.evaluate)
    tables = predict_splits(predict, network, splits, read_raw(Path("data/raw")), params)
    results = {
        name: evaluate_split(
            params.model.task, part, gallery_score=params.evaluate.gallery_score, bootstrap_rounds=0, seed=0
        )
        for name, part in tables.items()
    }
    return {name: (make_score(result), len(tables[name].images)) for name, result in results.items()}


def make_score(result: Any) -> Any:
    """See `metrics.paired.Score`: accuracy of a classifier, mAP_50_95 of what gives boxes."""
    import numpy as np

    from glasshouse.metrics.matching import match_detections
    from glasshouse.metrics.paired import mean_score, precision_score

    if result.arrays is None:
        return mean_score(result.actual == result.predicted)
    arrays = result.arrays
    categories = np.array(sorted(arrays.categories), dtype=np.int64)
    return precision_score(
        match_detections(arrays.objects, arrays.detections, arrays.picture_ids, categories)
    )


if __name__ == "__main__":
    raise SystemExit(main())
