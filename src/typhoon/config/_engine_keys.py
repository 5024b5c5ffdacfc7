"""The keys of a topology that the engine obeys: Storm's, and ours.

Defaults are Storm's unless the line says why not.
"""

from __future__ import annotations

from typhoon.config._key import INSIDE, UNREAD, Key
from typhoon.config._kinds import (
    boolean,
    choice,
    duration,
    fraction,
    optional,
    size,
    text,
    texts,
    whole,
)

MOST_WORKERS = 10_000
"""Of a topology in a cluster; on one machine there are fewer."""

SHAPE = (
    Key("topology.name", None, optional(text), "the name the topology runs under; set at submit"),
    Key("topology.workers", 1, whole(1, MOST_WORKERS), "worker processes", field="workers"),
    Key(
        "topology.tasks",
        None,
        optional(whole(1)),
        "tasks of a component; null: as many as executors",
        field="tasks",
        per_component=True,
    ),
    Key(
        "topology.max.task.parallelism",
        None,
        optional(whole(1)),
        "no component has more tasks or executors than this",
        field="max_task_parallelism",
        per_component=True,
    ),
    Key(
        "topology.executor.threads",
        "auto",
        choice("auto", "all"),
        "auto: threaded components have a thread per executor, the others share one; all: every "
        "executor is a thread, as in Storm",
        field="executor_threads",
    ),
    Key(
        "topology.executor.isolation",
        "thread",
        choice("thread", "process"),
        "process asks for a process for each executor",
        effect=INSIDE,
    ),
    Key(
        "topology.worker.shared.thread.pool.size",
        4,
        whole(1),
        "threads of a worker's context.shared_executor",
        field="shared_thread_pool_size",
    ),
)

ACKING = (
    Key(
        "topology.acker.executors",
        None,
        optional(whole(0)),
        "0 turns acking off: ack is called inside emit, fail never; the ledger lives where the "
        "spout lives, so any other number is as good as null",
        field="acking",
    ),
    Key(
        "topology.message.timeout.secs",
        30,
        duration("secs", "1ms"),
        "a tuple whose tree is not complete fails between once and twice this time after its emit",
        unit="secs",
        field="message_timeout_s",
    ),
    Key(
        "topology.enable.message.timeouts",
        True,
        boolean,
        "false: no tuple ever times out",
        field="enable_message_timeouts",
    ),
    Key(
        "topology.max.spout.pending",
        None,
        optional(whole(1)),
        "how many tracked tuples of one spout task may be incomplete; null: back-pressure alone",
        unit="tuples",
        field="max_spout_pending",
        per_component=True,
    ),
    Key(
        "topology.max.replays",
        None,
        optional(whole(1)),
        "a tree that failed this often goes to its spout's __dead_letter; null: never",
        field="max_replays",
    ),
    Key(
        "topology.max.worker.deaths",
        5,
        whole(1),
        "a tuple that was held by this many workers that died is given up",
        field="max_worker_deaths",
    ),
)

QUEUES = (
    Key(
        "topology.executor.receive.buffer.size",
        1024,
        whole(1),
        "high water of an executor's inbox; Storm's is 32768, ours is less because thousands of "
        "live tuples fall out of the processor's cache, and buy no speed",
        unit="tuples",
        field="receive_buffer_size",
    ),
    Key(
        "topology.transfer.buffer.size",
        1000,
        whole(1),
        "high water of what waits for other workers",
        unit="tuples",
        field="transfer_buffer_size",
        effect=UNREAD,
    ),
    Key(
        "topology.executor.outbox.hard.limit.bytes",
        256 << 20,
        size(),
        "an emit beyond this much unsent output of one executor raises BackPressureError; values "
        "are not weighed: each tuple counts for 192 bytes, so this limits their number",
        unit="bytes",
        field="outbox_hard_limit_bytes",
    ),
    Key(
        "topology.spout.wait.park.microsec",
        100,
        whole(1),
        "how soon an idle spout that cannot wake the loop is asked again",
        unit="us",
        field="spout_wait_park_us",
    ),
    Key(
        "topology.spout.wait.progressive.level3.sleep.millis",
        1,
        whole(0),
        "how soon it is asked again after it has been idle for a second; 0 polls without a pause",
        unit="ms",
        field="spout_wait_sleep_ms",
    ),
)

ROUTING = (
    Key(
        "topology.disable.loadaware.messaging",
        False,
        boolean,
        "shuffle takes turns whether or not a task is behind, or near",
        field="disable_loadaware",
    ),
)

VALUES = (
    Key(
        "topology.fall.back.on.pickle",
        True,
        boolean,
        "values that the codec does not know cross to another worker pickled; false: an error",
        field="fall_back_on_pickle",
    ),
    Key(
        "topology.testing.always.try.serialize",
        False,
        boolean,
        "encode values also where they do not leave the process",
        field="always_try_serialize",
        effect=UNREAD,
    ),
    Key(
        "topology.debug.copy.values",
        False,
        boolean,
        "copy values at emit and compare them before and after process and at the ack: finds who "
        "changes a value after its emit, and reports it as an error",
        field="debug_copy_values",
    ),
)

WATCHING = (
    Key(
        "topology.debug",
        False,
        boolean,
        "log every emit, process, ack and fail at INFO, by the logger typhoon.worker",
        field="debug",
        per_component=True,
    ),
    Key(
        "topology.tick.tuple.freq.secs",
        None,
        optional(duration("secs", "1ms", or_zero=True)),
        "how often a bolt's process_tick is called; null or 0: never",
        unit="secs",
        field="tick_freq_s",
        per_component=True,
    ),
    Key(
        "topology.stats.sample.rate",
        0.05,
        fraction(),
        "share of the tuples that are timed from process to ack; counts, execute and complete "
        "latency are of all tuples all the same",
        field="stats_sample_rate",
    ),
    Key(
        "topology.auto.task.hooks",
        None,
        optional(texts),
        "hooks for every task, each as module:Class",
        field="auto_task_hooks",
    ),
    Key(
        "topology.error.throttle.interval.secs",
        10,
        duration("secs"),
        "errors are counted anew every so often",
        unit="secs",
        field="error_throttle_interval_s",
    ),
    Key(
        "topology.max.error.report.per.interval",
        5,
        whole(0),
        "how many errors of one executor are shown in that time; all are counted",
        field="max_errors_per_interval",
    ),
)

ENGINE_KEYS = (*SHAPE, *ACKING, *QUEUES, *ROUTING, *VALUES, *WATCHING)
