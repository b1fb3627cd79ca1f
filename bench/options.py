"""Owns the command line: what can be asked for, and what follows from it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from figures import NAMES
from ours import ROOT

FULL_CIS = 600_000
QUICK_CIS = FULL_CIS // 20
FULL_DAYS = 30
QUICK_DAYS = 3
BINDING_RUNS = 5


@dataclass(frozen=True)
class Scale:
    """How much is measured, and whether the figures may be judged by it."""

    cis: int
    days: int
    runs: int
    binding: bool


def parse() -> argparse.Namespace:
    """Reads the command line; without a command it is a run."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Strongroom and its peers, measured in one run.")
    parser.add_argument("command", nargs="?", default="run", choices=("run", "cluster", "reset", "day", "stop"),
                        help="run (the default); or handle a cluster that stays, for development: "
                             "make or start it, put its database back, let one day pass, stop it")
    parser.add_argument("--dir", type=Path, help="where the cluster lies and stays (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the corpus, one repetition, no verdicts")
    parser.add_argument("--only", metavar="NAME,...", help=f"figures to measure, of: {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, help=f"repetitions (default: {BINDING_RUNS}, or 1 with --quick)")
    parser.add_argument("--peers-only", action="store_true", help="measure the peers, without a built Strongroom")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder, its server running")
    parser.add_argument("--out", type=Path, help="where the report goes")
    parser.add_argument("--number", type=int, default=1, help="for day: its number, which decides what is edited")
    parser.add_argument("--share", type=float, default=0.01, help="for day: the share of items that are edited")
    options = parser.parse_args()
    if options.command != "run" and options.dir is None:
        parser.error(f"{options.command} needs --dir")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs must be at least 1")
    unknown = wanted(options) - set(NAMES)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return options


def wanted(options: argparse.Namespace) -> set[str]:
    """The names of the figures to measure."""
    return set(options.only.split(",")) if options.only else set(NAMES)


def scale(options: argparse.Namespace) -> Scale:
    """Only the full corpus, measured often enough, gives verdicts."""
    if options.quick:
        return Scale(QUICK_CIS, QUICK_DAYS, options.runs or 1, binding=False)
    runs = options.runs or BINDING_RUNS
    return Scale(FULL_CIS, FULL_DAYS, runs, binding=runs >= BINDING_RUNS)


def report_path(options: argparse.Namespace) -> Path:
    """The published place for a whole binding run; a trial never overwrites it."""
    if options.out:
        return options.out
    whole = scale(options).binding and not options.only and not options.peers_only
    return ROOT / "docs" / "benchmarks.json" if whole else ROOT / "target" / "bench" / "benchmarks.json"
