"""Stage `evaluate`: score the network on the validation and test pictures, and write the report that people
read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

RAW, PREPARED, HEAD, NETWORK = (
    Path("data/raw"),
    Path("data/prepared"),
    Path("models/head.keras"),
    Path("models/model.keras"),
)
OUT = Path("reports/evaluate")


def main() -> None:
    """Read models/model.keras and the pictures, write reports/evaluate/."""
    with stage("evaluate") as run:
        with run.phase("import"):
            from glasshouse.training.runtime import prepare_runtime

            prepare_runtime(run.params.seed)
            from glasshouse.evaluation.explained import Explainer
            from glasshouse.evaluation.originals import picture_reader
            from glasshouse.evaluation.report import write_report
            from glasshouse.evaluation.splits import compile_network, gather_tables, predict_splits
            from glasshouse.inputs.prepared import open_prepared
            from glasshouse.quality.suites.evaluate import flatten_metrics
            from glasshouse.tables.folders import name_in_errors
            from glasshouse.tables.raw import read_raw
            from glasshouse.training.network_files import open_network, read_history
        params, raw = run.params, read_raw(RAW)
        splits = {name: open_prepared(PREPARED, name) for name in ("valid", "test")}
        with run.phase("work"):
            network = open_network(params.model, splits["test"], NETWORK)
            predict = compile_network(network, params.evaluate)
            tables = predict_splits(predict, network, splits, raw, params)
        explainer = Explainer(
            predict, splits["test"], pictures=params.evaluate.explained_pictures, seed=params.seed
        )

        def explain(*pictures: Any) -> Any:
            with run.phase("work"):  # a thousand predictions a picture
                return explainer.draw(*pictures)

        with run.phase("report"), name_in_errors(OUT):
            metrics = write_report(
                OUT,
                params.model.task,
                tables,
                {"train_head": read_history(HEAD), "fine_tune": read_history(NETWORK)},
                picture_reader(RAW),
                model={
                    "backbone": params.model.backbone.name,
                    "neck": params.model.neck.name,
                    "head": params.model.head.name,
                },
                gallery_score=params.evaluate.gallery_score,
                gallery_pictures=params.evaluate.gallery_pictures,
                bootstrap_rounds=params.evaluate.bootstrap_rounds,
                seed=params.seed,
                priors=network.priors,
                explain=explain,
            )
        run.metrics(metrics)
        run.guard({**flatten_metrics(metrics), **gather_tables(tables, splits), "objects": raw.objects})


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
