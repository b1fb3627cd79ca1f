"""Owns the table of figures: what is promised, in which unit, and how it is judged.

A figure has a bound that blocks a release (*must*) and one worth working for
(*reach*). Its samples come from the stages; this module reduces them to one
value and compares. It measures nothing.
"""

import statistics
from dataclasses import dataclass, field
from typing import Callable

MIB = 1024 * 1024


def median_of_ours(ours: list[float], _peers: dict[str, list[float]]) -> float:
    """The ordinary case: half of the runs were better."""
    return statistics.median(ours)


def worst_of_ours(ours: list[float], _peers: dict[str, list[float]]) -> float:
    """For ceilings, which one excess breaks."""
    return max(ours)


def mean_of_ours(ours: list[float], _peers: dict[str, list[float]]) -> float:
    """For what adds up over days."""
    return statistics.fmean(ours)


def ratio_to_best_peer(ours: list[float], peers: dict[str, list[float]]) -> float | None:
    """The ratio of medians against the peer with the lowest one."""
    best = min((statistics.median(samples) for samples in peers.values()), default=None)
    return None if best is None else statistics.median(ours) / best


@dataclass(frozen=True)
class Figure:
    """One promise. `unit` is that of the samples; a ratio is judged without one."""

    name: str
    what: str
    unit: str
    must: float
    reach: float | None
    judge: Callable[[list[float], dict[str, list[float]]], float | None] = median_of_ours
    more_is_better: bool = False

    def meets(self, value: float, bound: float | None) -> bool | None:
        """Whether `value` keeps `bound`; None where nothing is asked."""
        if bound is None:
            return None
        return value >= bound if self.more_is_better else value <= bound


FIGURES = (
    Figure("stored-1-percent-day", "stored after a 1 % day", "bytes", 1.2e6, 0.8e6),
    Figure("stored-0.1-percent-day", "stored after a 0.1 % day", "bytes", 0.25e6, 0.15e6),
    Figure("stored-30-days", "mean stored over 30 days of 1 %", "bytes", 2.5e6, 1.8e6, mean_of_ours),
    Figure("first-stored", "first backup, stored", "bytes", 160e6, 139 * MIB),
    Figure("memory-first", "peak memory, first backup", "bytes", 256 * MIB, 192 * MIB, worst_of_ours),
    Figure("memory-incremental", "peak memory, incremental", "bytes", 256 * MIB, 192 * MIB, worst_of_ours),
    Figure("memory-restore", "peak memory, restore", "bytes", 256 * MIB, 192 * MIB, worst_of_ours),
    Figure("first-wall", "first backup, wall, to the faster piped peer", "s", 1.0, 0.7, ratio_to_best_peer),
    Figure("sqlite-first-wall", "SQLite first backup, wall, to .dump | restic", "s", 1.0, 0.6, ratio_to_best_peer),
    Figure("scan-wall", "incremental scan, wall, to COPY", "s", 2.0, 1.3, ratio_to_best_peer),
    Figure("restore-wall", "whole restore with verdict, wall, to restic dump | psql", "s", 1.0, 0.7, ratio_to_best_peer),
    Figure("find-warm-reads", "one record found, warm, depot reads", "reads", 8, None, worst_of_ours),
    Figure("find-warm-time", "one record found, warm, time", "ms", 50, 20),
    Figure("find-cold-reads", "one record found, cold, depot reads", "reads", 24, None, worst_of_ours),
    Figure("record-wall", "one item back into the live database, plan and restore, wall", "s", 2, 0.5),
    Figure("diff-1-percent", "diff of snapshots 1 % apart", "ms", 1000, 300),
    Figure("diff-equal", "diff of equal snapshots", "ms", 50, 10),
    Figure("reference-check", "reference check of a snapshot, wall", "s", 20, 8),
    Figure("memory-reference-check", "peak memory, reference check", "bytes", 256 * MIB, None, worst_of_ours),
    Figure("read-data", "verify --read-data, plaintext a core", "bytes/s", 150e6, 300e6, more_is_better=True),
    Figure("throughput", "record bytes through the pipeline, a core", "bytes/s", 100e6, 150e6, more_is_better=True),
)
NAMES = tuple(figure.name for figure in FIGURES)


@dataclass
class Samples:
    """What was measured for one figure, ours and each peer's."""

    ours: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, value: float, peer: str | None = None) -> None:
        """Adds one sample, ours unless `peer` is named."""
        (self.ours if peer is None else self.peers.setdefault(peer, [])).append(value)


def judged(figure: Figure, samples: Samples, binding: bool) -> dict:
    """A figure as the report has it; a run that is not `binding` gets values and no verdicts."""
    value = figure.judge(samples.ours, samples.peers) if samples.ours else None
    judging = binding and value is not None
    return {
        "name": figure.name,
        "what": figure.what,
        "unit": figure.unit,
        "ours": spread(samples.ours),
        "peers": {peer: spread(values) for peer, values in samples.peers.items()},
        "value": value,
        "value_is": figure.judge.__name__,
        "must": figure.must,
        "reach": figure.reach,
        "meets_must": figure.meets(value, figure.must) if judging else None,
        "meets_reach": figure.meets(value, figure.reach) if judging else None,
    }


def spread(samples: list[float]) -> dict | None:
    """Median, least and greatest of the samples, and these themselves; None without any."""
    if not samples:
        return None
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "samples": samples,
    }
