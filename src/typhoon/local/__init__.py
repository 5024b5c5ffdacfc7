"""A whole cluster inside this process: ``LocalCluster``, and ``run`` for one topology."""

from typhoon.local._cluster import LocalCluster
from typhoon.local._origin import Origin
from typhoon.local._run import run
from typhoon.local._topology import LocalTopology

__all__ = ["LocalCluster", "LocalTopology", "Origin", "run"]
