"""Lets two promoters race for one registered model, on a server that is slow, and disturbs them.

python tools/promotion_race.py                  all rounds, once
python tools/promotion_race.py --rounds 40      so many, the kinds in turn, with other delays and moments
python tools/promotion_race.py --only held      kinds whose names begin so
python tools/promotion_race.py --keep           the folders stay for a look, and for --at
python tools/promotion_race.py --at FOLDER      with the states trained there before

Two processes, each behind a proxy that makes every request late by a drawn time. Every challenger is promoted
whatever it beats, so that after two promotions both must stand in the chain of champions; what does not, was
overwritten. After each race those that were killed, or gave up, are run again one after the other, and then
@champion, @previous, the versions' tags and the ledgers must be as some order without a race leaves them, and
no claim may be left. The claims' clock runs ten times as fast (tools/hasty.py), but for the kinds named real.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project_copy import TrialFailure
from race_world import HASTE, KILLED, Follow, Hold, Lose, Promoter, SlowProxy, Stage, Strike
from slow_proxy import Delay, Meddle

from glasshouse.tracking.claims import CLAIM_SECONDS

MOMENTS = 50  # sights of requests while a promoter has its claim, about
LEASE = CLAIM_SECONDS / HASTE
Meddler = Callable[[Promoter, random.Random], Meddle]


def late(most: float) -> Delay:
    """Up to so many seconds."""
    return lambda draw: draw.uniform(0.0, most)


def ragged(draw: random.Random) -> float:
    """Mostly at once, now and then as late as a client waits at all, or later."""
    return draw.uniform(0.0, 0.05) if draw.random() < 0.9 else draw.uniform(1.0, 3.0)


def kill(promoter: Promoter, draw: random.Random) -> Meddle:
    """SIGKILL while it has its claim."""
    return Strike(draw.randint(1, MOMENTS), lambda: promoter.send(signal.SIGKILL))


def stop(share: float, haste: float = HASTE) -> Meddler:
    """SIGSTOP while it has its claim, and SIGCONT after this share of the time that a claim lasts."""

    def make(promoter: Promoter, draw: random.Random) -> Meddle:
        return Strike(draw.randint(1, MOMENTS), lambda: promoter.stop_for(share * CLAIM_SECONDS / haste))

    return make


def hold(share: float) -> Meddler:
    """The request that moves @champion comes to the server late, by this share of a claim's time."""
    return lambda _promoter, _draw: Hold(share * LEASE)


def lose(_promoter: Promoter, draw: random.Random) -> Meddle:
    """From a moment on while it has its claim, the server is out of reach for it."""
    return Lose(draw.randint(1, MOMENTS))


# Both decided against the same champion.
UNDONE = {
    "champion": "one",
    "previous": "weak",
    "weak came after": "none",
    "one came after": "weak",
    "two came after": "weak",
}


@dataclass(frozen=True)
class Kind:
    """One kind of race.

    Args:
        delay: of both promoters' requests.
        meddler: disturbs the first promoter.
        folders: in which states' folders the two work.
        second: what the second one does.
        champions: who was champion before the race, in turn.
        synced: whether the challengers are registered before it.
        head_start: seconds after which the second one starts, at most.
        is_hasty: whether the claims' clock runs fast.
        is_beyond: whether it is beyond what is promised (docs/promotion.md), and one may undo the other's.
    """

    delay: Delay
    meddler: Meddler | None = None
    folders: tuple[str, str] = ("one", "two")
    second: str = "promote"
    champions: tuple[str, ...] = ("weak",)
    synced: bool = True
    head_start: float = 1.0
    is_hasty: bool = True
    is_beyond: bool = False


KINDS: dict[str, Kind] = {
    "quick server": Kind(late(0.05)),
    "slow server": Kind(late(0.6)),
    "slower server": Kind(late(1.5), head_start=3.0),
    "ragged server": Kind(ragged),
    "not registered yet": Kind(late(0.1), synced=False),
    "same state on two machines": Kind(late(0.1), folders=("one", "twin"), synced=False),
    "same folder": Kind(late(0.2), folders=("one", "one")),
    "against a rollback": Kind(
        late(0.3), second="rollback", folders=("two", "one"), champions=("weak", "one")
    ),
    "killed": Kind(late(0.2), kill),
    "killed, same folder": Kind(late(0.1), kill, folders=("one", "one")),
    "killed, against a rollback": Kind(
        late(0.2), kill, second="rollback", folders=("two", "one"), champions=("weak", "one")
    ),
    "stopped for 0.3 of a claim's time": Kind(late(0.2), stop(0.3)),
    "stopped for 0.9 of a claim's time": Kind(late(0.2), stop(0.9)),
    "stopped for 1.3 of a claim's time": Kind(late(0.2), stop(1.3)),
    "stopped for 2 of a claim's time": Kind(late(0.05), stop(2.0)),
    "held for 0.3 of a claim's time": Kind(late(0.05), hold(0.3)),
    "held for 0.5 of a claim's time": Kind(late(0.05), hold(0.5)),
    "held for 0.9 of a claim's time": Kind(late(0.05), hold(0.9)),
    "beyond: held for 3 of a claim's time": Kind(late(0.05), hold(3.0), is_beyond=True),
    "out of reach": Kind(late(0.1), lose),
    "real: slow server": Kind(late(2.0), is_hasty=False, head_start=5.0),
    "real: stopped for 1.2 of a claim's time": Kind(late(0.2), stop(1.2, haste=1.0), is_hasty=False),
}


def race(stage: Stage, number: int, name: str, seed: int) -> str:
    """One race; says what came of it. Raises TrialFailure where it ends as no order without a race does."""
    kind, draw = KINDS[name], random.Random(seed)
    registry = stage.set_up(f"race-{number}", kind.champions, kind.synced)
    words = ("promote",), (kind.second,)
    first, second = (
        stage.make_promoter(key, *word, is_hasty=kind.is_hasty)
        for key, word in zip(kind.folders, words, strict=True)
    )
    meddle = kind.meddler(first, draw) if kind.meddler else None
    follow = Follow(second, first, meddle) if isinstance(meddle, Hold) else None
    start = time.monotonic()
    with (
        SlowProxy(stage.server.address, kind.delay, draw.randrange(2**32), meddle) as before,
        SlowProxy(stage.server.address, kind.delay, draw.randrange(2**32), follow) as beside,
    ):
        first.start(before.address)
        time.sleep(draw.uniform(0.0, kind.head_start))
        second.start(beside.address)
        told = [say(promoter) for promoter in (first, second)]
        seconds, requests = time.monotonic() - start, (before.count, beside.count)
        settle_late(meddle)
        undone = kind.is_beyond and stage.look(registry) == UNDONE
        again = [run_again(stage, each) for each in (first, second) if each.wait() != 0 or undone]
    check(stage, registry, kind)
    struck = f" {meddle.told}" if isinstance(meddle, Strike) and meddle.told else ""
    told[0] += struck
    told += ["so the first one undid what the second one had decided"] if undone else []
    rerun = f"; again: {', '.join(again)}" if again else ""
    return f"{seconds:.0f} s, {requests[0]} and {requests[1]} requests: {' | '.join(told)}{rerun}"


def settle_late(meddle: Meddle | None) -> None:
    """Let what was held come to the server before anybody looks."""
    if isinstance(meddle, Hold):
        time.sleep(meddle.seconds)


def say(promoter: Promoter) -> str:
    """How it ended; raises TrialFailure where that was neither a verdict nor a sentence."""
    status, said = promoter.wait(), promoter.said
    if status == KILLED:
        return "killed"
    if status not in (0, 1) or "Traceback" in said:
        raise TrialFailure(f"it ended with status {status}:\n{said}")
    line = said.strip().splitlines()[0 if status == 0 else -1]
    return line.split(" (")[0] if status == 0 else f"status 1, {line.removeprefix('glasshouse: ')[:110]}"


def run_again(stage: Stage, promoter: Promoter) -> str:
    """The same command once more, alone and on the server itself: it must end well."""
    rerun = Promoter(promoter.copy, promoter.words, promoter.is_hasty, promoter.log.with_suffix(".again"))
    start = time.monotonic()
    rerun.start(stage.server.address)
    if rerun.wait() != 0 and "no @previous" not in rerun.said:
        raise TrialFailure(f"run again it ends with status {rerun.wait()}:\n{rerun.said}")
    return f"{rerun.said.strip().splitlines()[0].split(' (')[0]} ({time.monotonic() - start:.0f} s)"


def check(stage: Stage, registry: Any, kind: Kind) -> None:
    """Raise TrialFailure where registry and ledgers are as no order leaves them."""
    stage.check_claims(registry)
    now, orders = stage.look(registry), list_orders(kind)
    if now not in [order for order, _ in orders]:
        shown = "\n".join(f"  {order}" for order, _ in orders)
        raise TrialFailure(f"no order leaves it so:\n  {now}\nbut:\n{shown}")
    keys = tuple(dict.fromkeys((*kind.champions, *kind.folders)))
    found, wanted = stage.check_ledgers(registry, keys), [count for order, count in orders if order == now]
    if found not in wanted:
        raise TrialFailure(f"the ledgers have {found} decisions, not {wanted}")
    if stage.look(registry) != now:
        raise TrialFailure(f"settling alone changed the registry: {now} to {stage.look(registry)}")


def list_orders(kind: Kind) -> list[tuple[dict[str, str], int]]:
    """What the registry may look like afterwards, and how many decisions were taken then."""
    known = {"weak came after": "none"}
    if kind.second == "rollback":
        back = {"one came after": "weak", "two came after": "one", "two is": "taken back"}
        ahead = {"one came after": "weak", "two came after": "weak", "one is": "taken back"}
        return [
            ({"champion": "one", "previous": "weak", **known, **back}, 4),
            ({"champion": "two", "previous": "weak", **known, **ahead}, 4),
        ]
    if kind.folders != ("one", "two"):
        return [({"champion": "one", "previous": "weak", **known, "one came after": "weak"}, 2)]
    one_two = {"champion": "two", "previous": "one", "one came after": "weak", "two came after": "one"}
    two_one = {"champion": "one", "previous": "two", "two came after": "weak", "one came after": "two"}
    # One whose answer was lost, though it had moved the aliases, is run again after the other one.
    one_two_one = {"champion": "one", "previous": "two", "two came after": "one", "one came after": "two"}
    two_one_two = {"champion": "two", "previous": "one", "one came after": "two", "two came after": "one"}
    return [
        ({**known, **one_two}, 3),
        *([({**known, **one_two}, 4)] if kind.is_beyond else []),  # the first promotion of two was undone
        ({**known, **two_one}, 3),
        ({**known, **one_two_one}, 4),
        ({**known, **two_one_two}, 4),
    ]


def main() -> int:
    """Run what is asked for; the exit status is 1 where a race ended as it must not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, help="how many (default: every kind once)")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[""], help="kinds whose names begin so")
    parser.add_argument("--seed", type=int, default=7, help="of delays and moments (default: 7)")
    parser.add_argument("--at", type=Path, help="folder of a call with --keep (default: a new one)")
    parser.add_argument("--keep", action="store_true", help="leave the folders")
    asked = parser.parse_args()
    names = [name for name in KINDS if name.startswith(tuple(asked.only))]
    place, failed = asked.at or Path(tempfile.mkdtemp(prefix="glasshouse-race-")), 0
    stage = Stage(place)
    try:
        for number in range(asked.rounds or len(names)):
            name = names[number % len(names)]
            try:
                print(
                    f"ok    {number + 1}, {name}: {race(stage, number, name, asked.seed + number)}",
                    flush=True,
                )
            except TrialFailure as failure:
                failed += 1
                print(f"FAIL  {number + 1}, {name}: {failure}", flush=True)
    finally:
        stage.server.stop()
        if asked.keep or asked.at:
            print(f"the folders are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{failed} races ended as they must not")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
