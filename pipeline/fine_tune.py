"""Stage `fine_tune`: the network learns from a chosen layer upwards, at a lower rate.

The better of before and after is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

PREPARED, HEAD, OUT = Path("data/prepared"), Path("models/head.keras"), Path("models/model.keras")
CHECKPOINT = Path(".glasshouse/checkpoints/fine_tune.npz")


def main() -> None:
    """Read data/prepared/ and models/head.keras, write models/model.keras and models/model.json."""
    with stage("fine_tune") as run:
        with run.phase("import"):
            from glasshouse.training.runtime import prepare_runtime, training_seed

            prepare_runtime(training_seed(run.params))
            from pandas import DataFrame

            from glasshouse.evaluation.validate import make_validator, score_trivial, tabulate_scores
            from glasshouse.inputs.prepared import open_prepared
            from glasshouse.inputs.stream import pictures_of
            from glasshouse.quality.learning import summarize_weights
            from glasshouse.training.checkpoints import Checkpoint
            from glasshouse.training.fine_tune import fine_tune
            from glasshouse.training.network_files import named_weights, open_network, write_training
        params, train, valid = run.params, open_prepared(PREPARED, "train"), open_prepared(PREPARED, "valid")
        task, checkpoint = params.model.task, Checkpoint(CHECKPOINT, run.identity())
        with run.phase("work"):
            network = open_network(params.model, train, HEAD)
            history, scores = fine_tune(
                network,
                pictures_of(train, task),
                params.fine_tune,
                params.augment,
                seed=training_seed(params),
                fill=params.preprocess.pad_value,
                checkpoint=checkpoint,
                validate=make_validator(network, valid, task, params.evaluate),
                on_epoch=run.epoch,
            )
            write_training(network, history, OUT)
        run.history(history)
        table = tabulate_scores({"baseline": score_trivial(train, valid, task), **scores}, "valid")
        run.guard(
            {
                "history": DataFrame(history),
                "weights": summarize_weights(named_weights(network)),
                "scores": table,
            }
        )
        checkpoint.clear()


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
