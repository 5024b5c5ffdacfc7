"""The keys of a cluster's daemons and of its clients; Storm's defaults unless the line says why."""

from __future__ import annotations

from typhoon.config._key import CLUSTER, FIXED, JVM, WORKERS, Key
from typhoon.config._kinds import (
    Kind,
    anything,
    boolean,
    choice,
    duration,
    mapping,
    number,
    optional,
    port,
    ports,
    size,
    text,
    texts,
    whole,
)

_SECS = duration("secs")
_MS = duration("ms")
_SOME_SECS = duration("secs", "1ms")


def _key(name: str, default: object, kind: Kind, doc: str, unit: str = "") -> Key:
    return Key(name, default, kind, doc, unit, CLUSTER)


def _worker(name: str, default: object, kind: Kind, doc: str, unit: str = "") -> Key:
    return Key(name, default, kind, doc, unit, WORKERS)


NIMBUS = (
    _key("nimbus.seeds", ["localhost"], texts, "hosts where a Nimbus may be found"),
    _key("nimbus.thrift.port", 6627, port, "port of Nimbus"),
    _key("nimbus.task.timeout.secs", 30, _SECS, "a worker silent for so long is dead", "secs"),
    _key("nimbus.supervisor.timeout.secs", 60, _SECS, "the same of a supervisor", "secs"),
    _key("nimbus.task.launch.secs", 120, _SECS, "how long a worker may take to start", "secs"),
    _key("nimbus.monitor.freq.secs", 10, _SECS, "between two looks at all topologies", "secs"),
    _key("nimbus.topology.validator", "default", text, "who may refuse a topology at submit"),
    _key("nimbus.slots.perTopology", None, optional(whole(1)), "most workers of a topology"),
    _key("nimbus.executors.perTopology", None, optional(whole(1)), "most executors of a topology"),
    _key("storm.scheduler", None, optional(text), "the scheduler; null: the even one"),
    _key("isolation.scheduler.machines", None, optional(mapping), "machines for one topology"),
    _key("multitenant.scheduler.user.pools", None, optional(mapping), "machines for one user"),
    _key("resource.aware.scheduler.user.pools", None, optional(mapping), "guarantees of users"),
    _key(
        "blacklist.scheduler.tolerance.time.secs", 300, _SECS, "time in which misses count", "secs"
    ),
    _key("blacklist.scheduler.tolerance.count", 3, whole(1), "misses that a supervisor may have"),
    _key(
        "blacklist.scheduler.resume.time.secs", 1800, _SECS, "how long it is shunned then", "secs"
    ),
)

SUPERVISOR = (
    _key("supervisor.slots.ports", [6700, 6701, 6702, 6703], ports, "one worker may run per port"),
    _worker(
        "supervisor.worker.timeout.secs",
        30,
        _SOME_SECS,
        "a worker silent for so long is killed; more than worker.heartbeat.frequency.secs",
        "secs",
    ),
    _worker(
        "supervisor.worker.start.timeout.secs", 120, _SOME_SECS, "the same while it starts", "secs"
    ),
    _worker(
        "supervisor.worker.shutdown.sleep.secs",
        3,
        _SECS,
        "a worker that was asked to end may take so long before it is killed",
        "secs",
    ),
    _worker(
        "supervisor.worker.max.restarts",
        10,
        whole(0),
        "a slot whose worker was started again so often, and never lasted, gives up",
    ),
    _worker(
        "supervisor.worker.restart.window.secs",
        600,
        _SOME_SECS,
        "time in which restarts count",
        "secs",
    ),
    _worker(
        "supervisor.worker.lasting.secs",
        10,
        _SECS,
        "a worker that ran for so long has lasted: the restarts before it are forgotten",
        "secs",
    ),
    _worker(
        "supervisor.worker.back.off.secs",
        0.05,
        _SECS,
        "pause before the second restart in a row, the first has none; it doubles each time",
        "secs",
    ),
    _worker("supervisor.worker.max.back.off.secs", 5, _SECS, "longest such pause", "secs"),
    _key("supervisor.memory.capacity.mb", 4096, number(), "memory that it offers", "MB"),
    _key("supervisor.cpu.capacity", 400, number(), "processors that it offers; 100 is a core", "%"),
    _key("supervisor.run.worker.as.user", False, boolean, "workers run as who submitted them"),
    _key("storm.health.check.dir", "healthchecks", text, "scripts that say if a machine is well"),
    _key("storm.health.check.timeout.ms", 5000, _MS, "how long such a script may take", "ms"),
)

WORKER = (
    Key(
        "worker.link.timeout",
        2,
        _SOME_SECS,
        "a link between two workers that cannot resume for so long fails what it carried",
        unit="secs",
        field="link_timeout_s",
        effect=WORKERS,
    ),
    _worker(
        "worker.link.transport",
        "unix",
        choice("unix", "tcp"),
        "how the workers of one machine are linked",
    ),
    _worker(
        "worker.link.tls.certificate",
        None,
        optional(text),
        "a PEM file with a worker's certificate: links over TCP use TLS; null: they do not",
    ),
    _worker("worker.link.tls.key", None, optional(text), "a PEM file with its key"),
    _worker("worker.link.tls.authorities", None, optional(text), "PEM: whose certificates count"),
    _worker("worker.link.tls.name", "typhoon-worker", text, "the DNS name in each certificate"),
    _key("worker.orphan.timeout.secs", 600, _SECS, "a worker nobody adopts ends itself", "secs"),
    _key(
        "worker.max.timeout.secs", 600, _SECS, "upper bound of topology.worker.timeout.secs", "secs"
    ),
    _worker(
        "worker.heartbeat.frequency.secs",
        1,
        _SOME_SECS,
        "between two heartbeats of a worker",
        "secs",
    ),
    _worker(
        "worker.memory.limit.mb", None, optional(number(1)), "a worker above it is killed", "MB"
    ),
    _worker(
        "worker.log.level",
        "INFO",
        choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "what a worker logs: this and what is worse",
    ),
    _worker(
        "worker.log.file.size", 100_000_000, size(1000), "a log of that size is begun anew", "bytes"
    ),
    _worker("worker.log.files", 10, whole(1, 1000), "logs of a worker's port that are kept"),
    Key("worker.childopts", "-Xmx%HEAP-MEM%m", anything, "options of workers' java", effect=JVM),
    Key("worker.heap.memory.mb", 768, number(), "Java heap of a worker", "MB", JVM),
)

STORE = (
    _key("storm.zookeeper.servers", ["localhost"], texts, "hosts of ZooKeeper"),
    _key("storm.zookeeper.port", 2181, port, "port of ZooKeeper"),
    _key(
        "storm.zookeeper.root",
        "/typhoon",
        text,
        "where in ZooKeeper the cluster lives; not Storm's /storm, so that the two never meet",
    ),
    _key(
        "storm.zookeeper.session.timeout", 20000, _MS, "a member silent for so long is gone", "ms"
    ),
    _key("transactional.zookeeper.root", "/transactional", text, "where batch spouts keep state"),
)

NODE = (
    _key("storm.local.dir", "storm-local", text, "folder for what a daemon keeps"),
    _key("storm.log.dir", "logs", text, "folder for logs"),
    _key("storm.cluster.mode", "distributed", choice("distributed", "local"), "kind of cluster"),
    Key(
        "storm.thrift.transport",
        "org.apache.storm.security.auth.SimpleTransportPlugin",
        text,
        "the Java class that carries Thrift",
        effect=JVM,
    ),
    _key("storm.thrift.socket.timeout.ms", 600000, _MS, "how long a client waits", "ms"),
    Key("storm.messaging.netty.buffer_size", 5 << 20, size(), "Netty's buffer", "bytes", JVM),
    Key("storm.messaging.netty.buffer.high.watermark", 16 << 20, size(), "Netty", "bytes", JVM),
    Key("storm.messaging.netty.buffer.low.watermark", 8 << 20, size(), "Netty", "bytes", JVM),
    Key("storm.messaging.netty.transfer.batch.size", 262144, size(), "Netty", "bytes", JVM),
    Key("storm.messaging.netty.min_wait_ms", 100, _MS, "between attempts to connect", "ms", FIXED),
    Key("storm.messaging.netty.max_wait_ms", 1000, _MS, "between attempts to connect", "ms", FIXED),
    Key("storm.messaging.netty.server_worker_threads", 1, whole(1), "Netty's threads", "", JVM),
    Key("storm.messaging.netty.client_worker_threads", 1, whole(1), "Netty's threads", "", JVM),
)

FRONT = (
    _key("ui.port", 8080, port, "port of the web pages and of REST"),
    _key("logviewer.port", 8000, port, "port of the log viewer"),
    _key("drpc.port", 3772, port, "port of DRPC"),
    _key("drpc.http.port", 3774, port, "port of DRPC over HTTP"),
    _key("drpc.request.timeout.secs", 600, _SECS, "how long a DRPC request may take", "secs"),
)

CLUSTER_KEYS = (*NIMBUS, *SUPERVISOR, *WORKER, *STORE, *NODE, *FRONT)
