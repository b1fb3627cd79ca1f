"""Owns the cluster that stays: a corpus at hand while one works on the engine."""

import argparse

from cluster import Cluster
from corpus import LIVE, Corpus
from options import scale


def handle(chosen: argparse.Namespace) -> int:
    """Carries out a command on the cluster in `--dir`, which is started if it does not run."""
    cluster = Cluster(chosen.dir)
    corpus = Corpus(cluster, scale(chosen).cis)
    if chosen.command == "stop":
        cluster.stop()
        return 0
    cluster.start()
    if chosen.command == "cluster":
        corpus.load()
        print(f"{cluster.url(LIVE)}\nPGHOST={cluster.socket} PGPORT={cluster.port} PGUSER=postgres")
    elif chosen.command == "reset":
        corpus.reset()
    else:
        print(f"{corpus.live_through(chosen.number, chosen.share)} items edited")
    return 0
