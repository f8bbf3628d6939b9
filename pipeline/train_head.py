"""Stage `train_head`: neck and head learn on a backbone that does not change."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

PREPARED, OUT = Path("data/prepared"), Path("models/head.keras")
CHECKPOINT = Path(".glasshouse/checkpoints/train_head.npz")


def main() -> None:
    """Read data/prepared/, write models/head.keras and models/head.json."""
    with stage("train_head") as run:
        with run.phase("import"):
            from glasshouse.training.runtime import prepare_runtime, training_seed

            prepare_runtime(training_seed(run.params))
            from pandas import DataFrame

            from glasshouse.inputs.prepared import open_prepared
            from glasshouse.inputs.stream import pictures_of
            from glasshouse.models.network import find_first_free
            from glasshouse.quality.learning import summarize_weights
            from glasshouse.training.checkpoints import Checkpoint
            from glasshouse.training.head import train_head
            from glasshouse.training.network_files import named_weights, start_network, write_training
        params, train = run.params, open_prepared(PREPARED, "train")
        checkpoint = Checkpoint(CHECKPOINT, run.identity())
        with run.phase("work"):
            network = start_network(params.model, train, training_seed(params))
            # A name that `fine_tune` could not find is told before the minutes of this training.
            find_first_free(network, run.read_all_params().fine_tune.unfreeze_from)
            history = train_head(
                network,
                pictures_of(train, params.model.task),
                params.train_head,
                params.augment,
                seed=training_seed(params),
                fill=params.preprocess.pad_value,
                checkpoint=checkpoint,
                on_epoch=run.epoch,
            )
            write_training(network, history, OUT)
        run.history(history)
        run.guard({"history": DataFrame(history), "weights": summarize_weights(named_weights(network))})
        checkpoint.clear()


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
