"""Entry of the benchmark: reads the options, makes the world, runs, reports, cleans up."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import devcluster
import options
import ours
import peers
import report
from cluster import Cluster, ClusterError
from corpus import Corpus
from measure import CommandFailed
from stages import Run


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options.parse()
    return measure(chosen) if chosen.command == "run" else devcluster.handle(chosen)


def measure(chosen) -> int:
    if not chosen.peers_only and not ours.is_built():
        raise ours.WrongResult(f"{ours.BINARY} is missing: run `cargo build --release`, or use --peers-only")
    if lacking := peers.missing_tools():
        raise ours.WrongResult(f"not installed: {', '.join(lacking)}")
    directory = chosen.dir or Path(tempfile.mkdtemp(prefix="strongroom-bench-"))
    cluster, scale, wanted = Cluster(directory), options.scale(chosen), options.wanted(chosen)
    stays = chosen.keep or chosen.dir is not None
    try:
        cluster.start()
        corpus = Corpus(cluster, scale.cis)
        corpus.load()
        facts = report.corpus_facts(corpus)
        run = Run(corpus, directory / "work", wanted, scale.runs, scale.days, not chosen.peers_only)
        run.measure()
        version = cluster.query("postgres", "SHOW server_version")
    finally:
        if not stays:
            cluster.stop()
            shutil.rmtree(directory, ignore_errors=True)
    result = report.document(run, facts, version, wanted, scale.binding)
    report.write(result, options.report_path(chosen))
    report.show(result)
    print(f"\nreport: {options.report_path(chosen)}" + (f"\nkept: {directory}" if stays else ""))
    return 1 if report.broken(result) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ClusterError, CommandFailed, ours.WrongResult, ValueError) as error:
        sys.exit(f"bench: {error}")
