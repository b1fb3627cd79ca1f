"""Owns what a run of a command cost: wall time, processor time and peak memory.

Processor time comes from `wait4`, which counts a process and the children it
waited for. Memory is the harder one: a pipeline or a program with helpers is a
tree, and its peak is the greatest sum at one moment, so `/proc` is sampled. A
peak shorter than a sample is caught by the kernel's own maximum for the largest
single process, and the greater of the two is reported.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.05
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CommandFailed(Exception):
    """A measured command ended with an error; nothing can be said of its cost."""


@dataclass(frozen=True)
class Cost:
    """What one run took, and what it wrote to standard output if that was kept."""

    wall_seconds: float
    user_seconds: float
    system_seconds: float
    peak_bytes: int
    output: str


def run(command: list[str], environment: dict[str, str], keep_output: bool = False) -> Cost:
    """Runs `command` to its end and says what it cost; an exit code other than 0 raises."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if not keep_output:
        streams["stdout"] = subprocess.DEVNULL
    started = time.monotonic()
    with subprocess.Popen(command, env=environment, start_new_session=True, **streams) as process:
        try:
            cost, errors = _watch(process, started)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        shown = " ".join(command)
        raise CommandFailed(f"`{shown}` ended with {process.returncode}: {errors.strip()[-2000:]}")
    return cost


def run_pipeline(script: str, environment: dict[str, str]) -> Cost:
    """Runs a shell pipeline in which the failure of any part is the failure of the whole."""
    return run(["bash", "-c", f"set -o pipefail; {script}"], environment)


def tree_bytes(folder: Path) -> int:
    """The sum of the sizes of all files below `folder`; 0 if it does not exist."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _watch(process: subprocess.Popen, started: float) -> tuple[Cost, str]:
    readers = [_Reader(process.stdout), _Reader(process.stderr)]
    sampler = _Sampler(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = max(sampler.stop(), usage.ru_maxrss * 1024)
    output, errors = (reader.text() for reader in readers)
    return Cost(wall, usage.ru_utime, usage.ru_stime, peak, output), errors


class _Reader:
    """Empties one pipe in the background, so that a talkative command never blocks."""

    def __init__(self, pipe):
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._drain, args=(pipe,), daemon=True)
        self._thread.start()

    def _drain(self, pipe) -> None:
        if pipe is not None:
            self._parts.append(pipe.read())

    def text(self) -> str:
        self._thread.join()
        return b"".join(self._parts).decode("utf-8", "replace")


class _Sampler:
    """Sums the resident memory of a process and all its descendants until stopped."""

    def __init__(self, root: int):
        self._root = root
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, sum(map(_resident_bytes, _descendants(self._root))))


def _descendants(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii")
                found.extend(map(int, children.split()))
        except OSError:
            continue  # It ended while we looked.
    return found


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
