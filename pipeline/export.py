"""Stage `export`: the network in the formats that others run, each held against Keras."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

PREPARED, NETWORK, OUT = Path("data/prepared"), Path("models/model.keras"), Path("exports")


def main() -> None:
    """Read models/model.keras and data/prepared/, write exports/."""
    with stage("export") as run:
        with run.phase("import"):
            from glasshouse.training.runtime import prepare_runtime

            prepare_runtime(run.params.seed)
            from pandas import DataFrame

            from glasshouse.evaluation.validate import MAIN_SCORE, make_score, spread_pixels
            from glasshouse.export.formats import load_formats, write_formats
            from glasshouse.export.parity import Tolerance, measure_parity, write_parity
            from glasshouse.export.signature import predict_with
            from glasshouse.export.stamp import stamp
            from glasshouse.inputs.prepared import open_prepared
            from glasshouse.inputs.recipe import Recipe
            from glasshouse.models.inference import build_inference
            from glasshouse.tables.folders import name_in_errors
            from glasshouse.training.network_files import open_network
        params, train, test = run.params, open_prepared(PREPARED, "train"), open_prepared(PREPARED, "test")
        with run.phase("work"), name_in_errors(OUT):
            model = build_inference(open_network(params.model, test, NETWORK), params.evaluate)
            calibration = spread_pixels(train, params.export.calibration_pictures)
            labels = tuple(test.categories["name"])
            paths = write_formats(model, params.export.formats, OUT, labels, calibration)
            stamp(paths.values(), Recipe(params.model.task, labels, **params.preprocess.model_dump()))
            parity = measure_parity(
                predict_with(model),
                load_formats(paths),
                test.pixels.gather,
                len(test.pixels),
                MAIN_SCORE[params.model.task],
                make_score(test, params.model.task, params.evaluate.batch_size),
                Tolerance(params.export.tolerance_fp32, params.export.tolerance_int8_map),
                params.export.latency_runs,
            )
            write_parity(parity, paths, OUT)
        run.guard({"formats": DataFrame({"format": params.export.formats}), "parity": parity})


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
