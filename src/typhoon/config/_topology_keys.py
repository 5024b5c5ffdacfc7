"""The keys of a topology that the engine has no use for, so that Storm's users may leave them in.

``effect`` says of each why; setting one is a warning that says the same.
"""

from __future__ import annotations

from typhoon.config._key import FIXED, JVM, UNREAD, Key
from typhoon.config._kinds import (
    Kind,
    anything,
    boolean,
    duration,
    fraction,
    mapping,
    number,
    optional,
    size,
    text,
    texts,
    whole,
)

_PROGRESSIVE = "org.apache.storm.policy.WaitStrategyProgressive"


def _unread(
    name: str, default: object, kind: Kind, doc: str, unit: str = "", *, per_component: bool = False
) -> Key:
    return Key(name, default, kind, doc, unit, UNREAD, per_component=per_component)


BATCHES = (
    Key("topology.producer.batch.size", 1, whole(1), "tuples per batch", effect=FIXED),
    Key("topology.producer.batch.dynamic", False, boolean, "batches that adapt", effect=FIXED),
    Key("topology.transfer.batch.size", 1, whole(1), "tuples per batch to a worker", effect=FIXED),
    Key("topology.batch.flush.interval.millis", 1, whole(0), "batch flushing", "ms", FIXED),
    Key("topology.executor.overflow.limit", 0, whole(0), "no tuple is ever dropped", effect=FIXED),
    Key("topology.backpressure.check.millis", 50, whole(1), "back-pressure is pushed", "ms", FIXED),
    Key("topology.spout.recvq.skips", 3, whole(0), "rounds between looks at the inbox", "", FIXED),
    *(
        Key(
            f"topology.{who}.wait.strategy",
            _PROGRESSIVE,
            text,
            f"the Java class that waits ({who})",
            effect=JVM,
            per_component=who == "spout",
        )
        for who in ("spout", "bolt", "backpressure")
    ),
    *(
        Key(f"topology.{who}.wait.park.microsec", 100, whole(1), "polling", "us", FIXED)
        for who in ("bolt", "backpressure")
    ),
    *(
        Key(
            f"topology.{who}.wait.progressive.level3.sleep.millis",
            1,
            whole(0),
            "polling",
            "ms",
            FIXED,
        )
        for who in ("bolt", "backpressure")
    ),
    *(
        Key(
            f"topology.{who}.wait.progressive.level{level}.count",
            default,
            whole(0),
            "rounds of busy waiting",
            effect=FIXED,
        )
        for who, levels in (("spout", (0, 0)), ("bolt", (1, 1000)), ("backpressure", (1, 1000)))
        for level, default in enumerate(levels, start=1)
    ),
    Key(
        "topology.sleep.spout.wait.strategy.time.ms",
        1,
        whole(0),
        "sleep of Storm's oldest wait strategy",
        unit="ms",
        effect=FIXED,
        per_component=True,
    ),
)

SERIALIZATION = (
    _unread("topology.tuple.compression.enable", False, boolean, "compress tuples between workers"),
    _unread(
        "topology.tuple.compression.threshold", 1460, size(), "smallest tuple to compress", "bytes"
    ),
    Key("topology.fall.back.on.java.serialization", False, boolean, "Java serialization", "", JVM),
    Key("topology.kryo.register", None, anything, "Kryo's registered classes", effect=JVM),
    Key("topology.kryo.decorators", None, anything, "Kryo's decorators", effect=JVM),
    Key("topology.kryo.factory", None, optional(text), "Kryo's factory", effect=JVM),
    Key("topology.skip.missing.kryo.registrations", False, boolean, "Kryo's leniency", effect=JVM),
)

METRICS = (
    _unread(
        "topology.localityaware.higher.bound",
        0.8,
        fraction(),
        "load of the nearer tasks above which shuffle looks further away",
    ),
    _unread(
        "topology.localityaware.lower.bound",
        0.2,
        fraction(),
        "load of the nearer tasks below which shuffle stays with them",
    ),
    _unread(
        "topology.builtin.metrics.bucket.size.secs",
        60,
        duration("secs"),
        "metrics interval",
        "secs",
    ),
    _unread("topology.eventlogger.executors", 0, whole(0), "executors that log sampled tuples"),
    _unread("topology.metrics.consumer.register", None, anything, "consumers of metrics"),
    _unread("topology.metrics.reporters", None, anything, "reporters of metrics"),
)

STATE = (
    _unread(
        "topology.state.provider", None, optional(text), "where state is kept", per_component=True
    ),
    _unread("topology.state.provider.config", None, anything, "how it is kept", per_component=True),
    _unread(
        "topology.state.checkpoint.interval.ms", 1000, duration("ms"), "between checkpoints", "ms"
    ),
    _unread(
        "topology.state.synchronization.timeout.secs", 60, duration("secs"), "checkpointing", "secs"
    ),
    _unread(
        "topology.trident.batch.emit.interval.millis",
        500,
        duration("ms"),
        "Trident's batches",
        "ms",
    ),
    _unread(
        "topology.transactional.id", None, optional(text), "id of a batch spout", per_component=True
    ),
    *(
        _unread(f"topology.bolts.{name}", None, optional(kind), doc, unit, per_component=True)
        for name, kind, doc, unit in (
            ("window.length.count", whole(1), "length of a bolt's window", "tuples"),
            ("window.length.duration.ms", duration("ms"), "length of a bolt's window", "ms"),
            ("window.sliding.interval.count", whole(1), "how far its window slides", "tuples"),
            (
                "window.sliding.interval.duration.ms",
                duration("ms"),
                "how far its window slides",
                "ms",
            ),
            ("tuple.timestamp.max.lag.ms", duration("ms"), "how late a tuple may be", "ms"),
            ("message.id.field.name", text, "field with the message's id", ""),
            ("late.tuple.stream", text, "stream of tuples that come too late", ""),
        )
    ),
)

PLACEMENT = (
    _unread(
        "topology.priority", 29, whole(0), "0 is the highest; for the resource aware scheduler"
    ),
    _unread(
        "topology.scheduler.strategy",
        "org.apache.storm.scheduler.resource.strategies.scheduling.DefaultResourceAwareStrategy",
        text,
        "how the resource aware scheduler places executors",
    ),
    _unread("topology.isolate.machines", None, optional(whole(1)), "machines of its own"),
    _unread(
        "topology.component.resources.onheap.memory.mb",
        128,
        number(),
        "memory of one executor",
        unit="MB",
        per_component=True,
    ),
    _unread(
        "topology.component.resources.offheap.memory.mb",
        0,
        number(),
        "further memory of one executor",
        unit="MB",
        per_component=True,
    ),
    _unread(
        "topology.component.cpu.pcore.percent",
        10,
        number(),
        "processor share of one executor; 100 is one core",
        unit="%",
        per_component=True,
    ),
    Key("topology.ras.acker.executors.per.worker", 1, whole(0), "ackers of a worker", effect=FIXED),
    _unread(
        "topology.worker.timeout.secs", None, optional(duration("secs")), "silent worker", "secs"
    ),
    _unread("topology.min.replication.count", 1, whole(1), "copies of the code before it starts"),
    _unread(
        "topology.max.replication.wait.time.sec", 60, duration("secs"), "wait for copies", "secs"
    ),
    _unread("topology.blobstore.map", None, optional(mapping), "files that every worker gets"),
    _unread(
        "topology.environment", None, optional(mapping), "environment variables of its workers"
    ),
    Key("topology.worker.max.heap.size.mb", 768, number(), "largest Java heap", "MB", JVM),
    Key("topology.worker.childopts", None, anything, "options of its workers' java", effect=JVM),
    Key("topology.classpath", None, anything, "its workers' class path", effect=JVM),
)

PEOPLE = (
    Key(
        "topology.auto-credentials",
        None,
        anything,
        "Java classes that fill in credentials",
        "",
        JVM,
    ),
    _unread("topology.users", None, optional(texts), "who may act on the topology"),
    _unread("topology.groups", None, optional(texts), "which groups may act on it"),
    _unread("topology.readonly.users", None, optional(texts), "who may look at it"),
    _unread(
        "topology.subprocess.timeout.secs",
        None,
        optional(duration("secs")),
        "silent shell bolt",
        "secs",
    ),
    _unread(
        "topology.shellbolt.max.pending", 100, whole(1), "tuples waiting for a shell bolt", "tuples"
    ),
    _unread(
        "topology.multilang.serializer",
        "org.apache.storm.multilang.JsonSerializer",
        text,
        "how shell components are spoken to",
    ),
)

STORM_TOPOLOGY_KEYS = (
    *BATCHES,
    *SERIALIZATION,
    *METRICS,
    *STATE,
    *PLACEMENT,
    *PEOPLE,
)
