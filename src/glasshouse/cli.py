"""`glasshouse ...`: what is not a stage. Each command's module is imported only when the command is given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from glasshouse.journal.streams import open_streams

INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """A parser that answers an unknown command with the nearest one."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        valid = [str(choice) for choice in action.choices or ()]
        if action.choices is not None and value not in action.choices:
            nearest = get_close_matches(str(value), valid, n=1, cutoff=0.4)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise argparse.ArgumentError(
                None, f"no {action.dest} {value!r}.{hint} Valid: {', '.join(valid)}."
            )

    def error(self, message: str) -> NoReturn:
        """Two lines and status 2."""
        self.exit(2, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")


def build_parser() -> Parser:
    """All commands with their options."""
    parser = Parser(
        prog="glasshouse", description="What is not a stage of the pipeline (`dvc repro` runs those)."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_runs(commands)
    _add_registry(commands)
    _add(commands, "summary", "score with its interval, where the report is, how to open MLflow")
    times = _add(commands, "times", "seconds of every stage by phase, of the present state's last run")
    times.add_argument("--state", help="first digits of another state's id")
    accept = _add(commands, "accept", "make this data version the one that later ones are held against")
    accept.add_argument("--force", action="store_true", help="also where the guard has critical findings")
    preview = _add(commands, "preview", "a contact sheet of the training pictures as the network sees them")
    preview.add_argument("--pictures", type=_count, default=24, help="how many (default: 24)")
    preview.add_argument(
        "--single", dest="composed", action="store_false", help="no mosaics, mixtures, pasted objects"
    )
    preview.add_argument("--out", type=Path, default=Path("reports/preview.jpg"), help="JPEG to write")
    _add(commands, "unreadable", "name files of dataset.path that cannot be read, for DVC to pass over")
    params = commands.add_parser("params", help="params.yaml", description="params.yaml")
    checks = params.add_subparsers(dest="params_command", metavar="COMMAND", required=True)
    _add(checks, "check", "list every fault of params.yaml, and what auto stands for", target="params:check")
    _add_predict(commands)
    _add_compare(commands)
    _add(commands, "doctor", "versions, processors, GPU, disk, git and DVC as they stand here")
    _add_architectures(commands)
    _add_scale(commands)
    _add_pretrain(commands)
    return parser


def _add_runs(commands: Any) -> None:
    runs = commands.add_parser("runs", help="runs in MLflow", description="Runs in MLflow.")
    actions = runs.add_subparsers(dest="runs_command", metavar="COMMAND", required=True)
    sync = _add(actions, "sync", "mirror what is missing in MLflow", target="runs:sync")
    sync.add_argument("--best-effort", action="store_true", help="status 0 also where MLflow is away")
    listed = _add(actions, "list", "the states in MLflow with their scores", target="runs:show")
    listed.add_argument("--limit", type=_count, default=20, help="newest states only (default: 20)")


def _add_predict(commands: Any) -> None:
    model = "models:/NAME@ALIAS, an exported file, or exports (default: the champion, else exports)"
    predict = _add(commands, "predict", "boxes on pictures, and tables of them")
    predict.add_argument("pictures", nargs="+", type=Path, help="pictures, or folders of them")
    predict.add_argument("--model", help=model)
    predict.add_argument("--out", type=Path, help="new folder (default: predictions, predictions-2, ...)")
    predict.add_argument(
        "--score", type=float, default=0.3, help="what scores less is left out (default: 0.3)"
    )
    predict.add_argument(
        "--format", type=lambda text: text.split(","), help="tables: some of json,csv,coco (default: all)"
    )
    predict.add_argument("--no-draw", dest="draw", action="store_false", help="tables only")
    predict.add_argument("--explain", action="store_true", help="maps of where the network looked (slow)")
    demo = _add(commands, "demo", "a page in the browser: drop a picture, see boxes, compare two models")
    demo.add_argument("--model", action="append", help=f"{model}; give it twice to compare")
    demo.add_argument("--host", default="127.0.0.1", help="whom to listen to (default: this machine only)")
    demo.add_argument("--port", type=int, default=7860, help="0: any free one (default: 7860)")


def _add_registry(commands: Any) -> None:
    promote = _add(commands, "promote", "make this model the champion, if it is better (docs/promotion.md)")
    promote.add_argument("--dry-run", action="store_true", help="say what would happen, do none of it")
    promote.add_argument("--again", action="store_true", help="also a model that rollback took back")
    _add(commands, "rollback", "make the champion before this one champion again")
    retrain = _add(commands, "retrain", "new data in, a judged model and a change to merge out")
    retrain.add_argument("--dry-run", action="store_true", help="say what would happen, do none of it")
    _add(commands, "pull", "bring the branch up to its upstream where a retraining left its files")
    lineage = _add(commands, "lineage", "where a registered model comes from, how to make it again")
    lineage.add_argument(
        "model", nargs="?", help="models:/NAME@ALIAS or models:/NAME/VERSION (default: the champion)"
    )
    lineage.add_argument(
        "--verify", action="store_true", help="hold the files here against it, byte for byte"
    )


def _add_architectures(commands: Any) -> None:
    listed = _add(commands, "architectures", "what params.yaml may name, and what each backbone costs")
    listed.description = (
        "What params.yaml may name, and what each backbone costs with its own top at its own picture size. "
        "flops are multiply-adds of one picture (one multiplication with its addition counts one). "
        "forward_bytes: the tensors needed at one moment and the weights, one picture. training_bytes: all "
        "layers' outputs and the pictures of a batch, and the weights; gradients and the optimizer's own "
        "memory come on top."
    )
    listed.add_argument("names", nargs="*", metavar="NAME", help="backbones only of these names")
    listed.add_argument(
        "--batch", type=_count, metavar="N", help="pictures a step (default: fine_tune.batch_size, or 32)"
    )
    listed.add_argument("--json", action="store_true", help="the backbones as a list of objects")


def _add_scale(commands: Any) -> None:
    scaled = _add(commands, "scale", "depth, width and resolution of a network by one number, phi")
    scaled.add_argument("--phi", type=float, required=True, help="each 1 doubles the work")
    scaled.add_argument("--depth", type=float, default=1.0, help="layers, or a multiplier (default: 1)")
    scaled.add_argument("--width", type=float, default=1.0, help="filters, or a multiplier (default: 1)")
    scaled.add_argument("--resolution", type=float, default=224.0, help="side in px (default: 224)")
    for name, value in (("alpha", 1.2), ("beta", 1.1), ("gamma", 1.15)):
        scaled.add_argument(f"--{name}", type=float, default=value, help=f"(default: {value})")


def _add_pretrain(commands: Any) -> None:
    pretrain = _add(commands, "pretrain", "rebuild the weights that ship with the project (minutes)")
    pretrain.add_argument("--backbone", default="csp_compact", help="its name (default: csp_compact)")
    for name, value, text in (
        ("pictures", 10_000, "how many to draw"),
        ("size-px", 128, "their side"),
        ("epochs", 12, "of training"),
    ):
        pretrain.add_argument(f"--{name}", type=_count, default=value, help=f"{text} (default: {value})")
    pretrain.add_argument("--seed", type=int, default=11, help="of drawing and training (default: 11)")
    pretrain.add_argument("--out", type=Path, help="NAME.weights.h5 (default: those of weights: builtin)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0. Got {text!r} instead.")
    return int(text)


def _add_compare(commands: Any) -> None:
    compare = _add(commands, "compare", "train several backbones on the same split, and rank them")
    compare.add_argument("--backbones", metavar="A,B", help="names, with options: NAME:alpha=0.35:...")
    compare.add_argument("--seeds", type=int, help="trainings of each (default: 1)")
    compare.add_argument("--set", action="append", metavar="KEY=VALUE", help="change params.yaml for all")
    compare.add_argument("--parallel", type=int, help="trainings side by side (default: 1)")
    compare.add_argument("--file", type=Path, help="YAML with backbones, seeds, set, parallel")


def _add(
    commands: Any, name: str, text: str, target: str | None = None, **options: Any
) -> argparse.ArgumentParser:
    """A command; `target` is module:function below glasshouse.commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text.capitalize() + ".", **options
    )
    parser.set_defaults(target=target or f"{name}:show")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its status: 0 well, 1 a fault told in a sentence, 2 a wrong command line."""
    open_streams()
    options = build_parser().parse_args(arguments)
    module, function = options.target.split(":")
    try:
        return int(getattr(import_module(f"glasshouse.commands.{module}"), function)(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `glasshouse ... | head`
        sys.stderr.close()
        return 0
    except Exception as error:
        from glasshouse.stage import is_expected

        if not is_expected(error):
            raise
        print(f"glasshouse: {say_fault(error)}", file=sys.stderr)
        return 1


def say_fault(error: Exception) -> str:
    """The sentence for an expected fault."""
    from glasshouse.stage import FULL, is_out_of_memory

    if is_out_of_memory(error):
        return "memory ran out. End other programs, and give the command again."
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    if error.errno in FULL:
        written = error.filename2 or error.filename  # of a copy, the second one is what was written
        place = f" while writing {written}" if written else ""
        return f"the disk is full{place}. Free some space there, and give the command again."
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."


if __name__ == "__main__":
    raise SystemExit(main())
