"""`glasshouse ...`: what is not a stage. Each command's module is imported only when the command is given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

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
    _add(commands, "summary", "score with its interval, where the report is, how to open MLflow")
    times = _add(commands, "times", "seconds of every stage by phase, of the present state's last run")
    times.add_argument("--state", help="first digits of another state's id")
    accept = _add(commands, "accept", "make this data version the one that later ones are held against")
    accept.add_argument("--force", action="store_true", help="also where the guard has critical findings")
    preview = _add(commands, "preview", "a contact sheet of the training pictures as the network sees them")
    preview.add_argument("--pictures", type=int, default=24, help="how many (default: 24)")
    preview.add_argument("--single", dest="composed", action="store_false", help="no mosaics, no mixtures")
    preview.add_argument("--out", type=Path, default=Path("reports/preview.jpg"), help="JPEG to write")
    params = commands.add_parser("params", help="params.yaml", description="params.yaml")
    checks = params.add_subparsers(dest="params_command", metavar="COMMAND", required=True)
    _add(checks, "check", "list every fault of params.yaml", target="params:check")
    _add(commands, "doctor", "versions, processors, GPU, disk, git and DVC as they stand here")
    _add(commands, "architectures", "backbones, necks and heads that params.yaml may name")
    pretrain = _add(commands, "pretrain", "rebuild the built-in weights", add_help=False)
    pretrain.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _add_runs(commands: Any) -> None:
    runs = commands.add_parser("runs", help="runs in MLflow", description="Runs in MLflow.")
    actions = runs.add_subparsers(dest="runs_command", metavar="COMMAND", required=True)
    sync = _add(actions, "sync", "mirror what is missing in MLflow", target="runs:sync")
    sync.add_argument("--best-effort", action="store_true", help="status 0 also where MLflow is away")
    listed = _add(actions, "list", "the states in MLflow with their scores", target="runs:show")
    listed.add_argument("--limit", type=int, default=20, help="newest states only (default: 20)")


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
        print(f"glasshouse: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
