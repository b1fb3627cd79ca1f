"""Owns what a run leaves behind: the JSON document, and the table for whoever watched it."""

import json
import os
import platform
import subprocess
from datetime import datetime
from pathlib import Path

from corpus import Corpus
from figures import FIGURES, judged, spread
from measure import Cost
from ours import BINARY, ROOT
from peers import plain_dump_bytes
from stages import Run

SCHEMA_VERSION = 1


def document(run: Run, corpus_facts: dict, server_version: str, wanted: set[str], binding: bool) -> dict:
    """The whole report. It is `binding` when run at full size with at least five repetitions."""
    return {
        "schema": "strongroom-benchmarks",
        "schema_version": SCHEMA_VERSION,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "binding": binding,
        "machine": machine_facts() | {"postgresql": server_version},
        "versions": tool_versions(),
        "corpus": corpus_facts,
        "figures": [judged(figure, run.samples[figure.name], binding) for figure in FIGURES if figure.name in wanted],
        "operations": [_operation(key, costs) for key, costs in run.costs.items()],
    }


def corpus_facts(corpus: Corpus) -> dict:
    """How large the corpus was in its first state."""
    return corpus.facts() | {"plain_dump_bytes": plain_dump_bytes(corpus.cluster)}


def machine_facts() -> dict:
    """What decides how fast things are here."""
    cpu = _field(Path("/proc/cpuinfo"), "model name") or platform.machine()
    memory_kib = (_field(Path("/proc/meminfo"), "MemTotal") or "0 kB").split()[0]
    return {
        "cpus": os.cpu_count(),
        "cpu": cpu,
        "memory_bytes": int(memory_kib) * 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def tool_versions() -> dict:
    """Of what was compared, as each tool calls itself."""
    asked = {
        "strongroom": [str(BINARY), "version"],
        "commit": ["git", "-C", str(ROOT), "rev-parse", "HEAD"],
        "restic": ["restic", "version"],
        "borg": ["borg", "--version"],
        "pg_dump": ["pg_dump", "--version"],
    }
    return {tool: _first_line(command) for tool, command in asked.items()}


def write(report: dict, target: Path) -> None:
    """Puts the report at `target`, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".tmp")
    unfinished.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(target)


def show(report: dict) -> None:
    """Prints the table: what was measured, what was asked, and whether it was kept."""
    print(f"\n{'figure':58}{'value':>14}{'must':>12}{'reach':>12}  verdict   peers (medians)")
    for figure in report["figures"]:
        unit = "ratio" if figure["value_is"] == "ratio_to_best_peer" else figure["unit"]
        peers = ", ".join(f"{name} {_shown(facts['median'], figure['unit'])}" for name, facts in figure["peers"].items())
        cells = (_shown(figure[column], unit) for column in ("value", "must", "reach"))
        value, must, reach = cells
        print(f"{figure['what']:58}{value:>14}{must:>12}{reach:>12}  {_verdict(figure):8}  {peers}")


def broken(report: dict) -> list[str]:
    """The figures whose *must* does not hold."""
    return [figure["name"] for figure in report["figures"] if figure["meets_must"] is False]


def _operation(key: tuple[str, str], costs: list[Cost]) -> dict:
    operation, tool = key
    return {
        "operation": operation,
        "tool": tool,
        "wall_seconds": spread([cost.wall_seconds for cost in costs]),
        "user_seconds": spread([cost.user_seconds for cost in costs]),
        "system_seconds": spread([cost.system_seconds for cost in costs]),
        "peak_bytes": spread([cost.peak_bytes for cost in costs]),
    }


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit.startswith("bytes"):
        return f"{value / 1e6:.2f} M{unit.replace('bytes', 'B')}"
    return f"{value:.2f} ×" if unit == "ratio" else f"{value:.4g} {unit}"


def _verdict(figure: dict) -> str:
    if figure["meets_must"] is None:
        return "–"
    if not figure["meets_must"]:
        return "BROKEN"
    return "reached" if figure["meets_reach"] else "kept"


def _field(path: Path, name: str) -> str | None:
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    lines = done.stdout.splitlines()
    return lines[0] if done.returncode == 0 and lines else None
