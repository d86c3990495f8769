"""How often the judge's comparison is wrong, and how often it finds what is there, on synthetic runs whose truth is known.

usage, in the repository's root:  python -m bench.judging [-n RUNS] [--seed NUMBER]

Each run has 120 metrics as ``tests/unit/judge/synthetic.py`` describes them. First without effects: the share of runs with
a metric said to have regressed, changed or improved, and of those left open. Then with effects on one metric in ten: the
share of those found. Prints the tables of docs/judging.md. Pure computation: 600 runs take some four minutes.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter

from orchestrator.judge.compare import compare
from orchestrator.model.verdict import Change
from tests.unit.judge.synthetic import METRICS_A_RUN, Noise, described, trials_of, truths

SEEDS = (2, 3, 6, 12)
EFFECTS = {"+10 %": 0.0953, "+33 %": 0.288, "doubled": 0.693, "halved": -0.693, "−95 %": -3.0}
MOVED = frozenset({Change.REGRESSED, Change.IMPROVED, Change.CHANGED})


def false_alarms(runs: int, seed: int) -> None:
    """Print what is said of runs in which nothing is the matter."""
    print(f"{runs} runs of {METRICS_A_RUN} metrics without an effect\n")
    print("| seeds | a metric regressed | changed or improved | left open | metrics the same | unclear |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seeds in SEEDS:
        rng = random.Random(seed + seeds)
        said: Counter[str] = Counter()
        for _ in range(runs):
            changes = compare(described(), trials_of(rng, truths(rng), range(1, seeds + 1)))
            kinds = {change.change for change in changes}
            said["regressed"] += Change.REGRESSED in kinds
            said["moved"] += bool(kinds & {Change.CHANGED, Change.IMPROVED})
            said["open"] += any(change.suspect for change in changes)
            said["same"] += sum(change.change is Change.SAME for change in changes)
        share = [f"{100 * said[name] / runs:.1f} %" for name in ("regressed", "moved", "open")]
        same = said["same"] / runs / METRICS_A_RUN
        print(f"| {seeds} | {' | '.join(share)} | {100 * same:.0f} % | {100 * (1 - same):.0f} % |", flush=True)


def power(runs: int, seed: int) -> None:
    """Print how many effects are found, by size, noise and number of seeds."""
    print(f"\n{runs} runs with an effect on one metric in ten: the share that is found\n")
    print("| noise | seeds | " + " | ".join(EFFECTS) + " |")
    print("| --- | --- |" + " --- |" * len(EFFECTS))
    for seeds in SEEDS[1:]:
        rng = random.Random(seed + seeds)
        found: dict[tuple[str, float], list[bool]] = {}
        for _ in range(runs):
            known = truths(rng, lambda drawn, *_: drawn.choice([*EFFECTS.values()]) if drawn.random() < 0.1 else 0.0)
            for change in compare(described(), trials_of(rng, known, range(1, seeds + 1))):
                truth = known[change.scenario, change.topology, change.metric]
                if truth.effect:
                    loud = truth.noise not in {Noise.EXACT, Noise.JUMPING} and truth.sigma > 0.1
                    kind = str(truth.noise) + (", above 10 %" if loud else "")
                    found.setdefault((kind, truth.effect), []).append(change.change in MOVED)
        for kind in sorted({kind for kind, _ in found}):
            cells = [found.get((kind, effect), []) for effect in EFFECTS.values()]
            print(
                f"| {kind} | {seeds} | "
                + " | ".join(f"{100 * sum(cell) / len(cell):.0f} %" if cell else "" for cell in cells)
                + " |",
                flush=True,
            )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=300, help="runs")
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    false_alarms(options.n, options.seed)
    power(options.n, options.seed)


if __name__ == "__main__":
    main()
