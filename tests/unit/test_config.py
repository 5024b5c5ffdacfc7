"""Configuration: what a value may be, who overrides whom, and what is said about odd keys."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon.config import (
    REGISTRY,
    TopologyOptions,
    check,
    component_conf,
    defaults,
    find_file,
    load_file,
    parse_assignments,
    read_duration,
    read_value,
    render_reference,
    topology_conf,
    topology_options,
)
from typhoon.errors import InvalidConfigError

DEFAULTS = topology_conf().values


def options(**keys: object) -> TopologyOptions:
    """Options from keys written with underscores."""
    given = {name.replace("_", "."): value for name, value in keys.items()}
    return topology_options(topology_conf(given).values)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_each_default_is_a_value_that_its_key_accepts(name: str) -> None:
    assert read_value(name, REGISTRY[name].default) == REGISTRY[name].default


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_each_key_has_one_line_of_documentation(name: str) -> None:
    doc = REGISTRY[name].doc
    assert doc
    assert "\n" not in doc


def test_storms_defaults() -> None:
    expected = {
        "topology.workers": 1,
        "topology.acker.executors": None,
        "topology.message.timeout.secs": 30,
        "topology.enable.message.timeouts": True,
        "topology.max.spout.pending": None,
        "topology.stats.sample.rate": 0.05,
        "topology.error.throttle.interval.secs": 10,
        "topology.max.error.report.per.interval": 5,
        "nimbus.thrift.port": 6627,
        "supervisor.slots.ports": [6700, 6701, 6702, 6703],
        "nimbus.task.launch.secs": 120,
        "drpc.request.timeout.secs": 600,
    }
    assert {name: DEFAULTS[name] for name in expected} == expected


def test_the_engine_gets_typed_options_in_their_units() -> None:
    found = options(
        topology_message_timeout_secs="2m",
        topology_executor_outbox_hard_limit_bytes="1MiB",
        topology_acker_executors=0,
    )
    assert (found.message_timeout_s, found.outbox_hard_limit_bytes) == (120.0, 1 << 20)
    assert (found.acking, found.tick_freq_s, found.receive_buffer_size) == (False, None, 1024)


def test_a_fields_name_has_the_unit_of_its_key() -> None:
    units = {"_s": "secs", "_ms": "ms", "_us": "us", "_bytes": "bytes"}
    for key in REGISTRY.values():
        for suffix, unit in units.items():
            assert key.field.endswith(suffix) == (bool(key.field) and key.unit == unit), key.name


@pytest.mark.parametrize(("ackers", "acking"), [(None, True), (0, False), (1, True), (7, True)])
def test_acking_is_off_at_zero_ackers_and_on_at_any_other_number(
    ackers: int | None, acking: bool
) -> None:
    assert options(topology_acker_executors=ackers).acking is acking


def test_a_tick_frequency_of_zero_means_never() -> None:
    assert options(topology_tick_tuple_freq_secs=0).tick_freq_s is None
    assert options(topology_tick_tuple_freq_secs=0.5).tick_freq_s == 0.5


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("topology.message.timeout.secs", 5, 5),
        ("topology.message.timeout.secs", 2.5, 2.5),
        ("topology.message.timeout.secs", "30s", 30),
        ("topology.message.timeout.secs", "5m", 300),
        ("topology.message.timeout.secs", "100ms", 0.1),
        ("topology.message.timeout.secs", " 1.5 h ", 5400),
        ("topology.message.timeout.secs", timedelta(minutes=1), 60),
        ("topology.message.timeout.secs", "1ms", 0.001),
        ("topology.message.timeout.secs", "10000d", 864_000_000),
        ("topology.tick.tuple.freq.secs", 0, 0),
        ("topology.state.checkpoint.interval.ms", "2s", 2000),
        ("topology.state.checkpoint.interval.ms", timedelta(seconds=1), 1000),
        ("topology.executor.outbox.hard.limit.bytes", "64MB", 64_000_000),
        ("topology.executor.outbox.hard.limit.bytes", 10, 10),
        ("topology.max.spout.pending", None, None),
        ("my.own", "30s", "30s"),
    ],
)
def test_a_value_is_read_in_the_unit_of_its_key(name: str, given: object, read: object) -> None:
    assert read_value(name, given) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topology.workers", 0),
        ("topology.workers", True),
        ("topology.workers", 1.0),
        ("topology.workers", "2"),
        ("topology.workers", None),
        ("topology.max.replays", 0),
        ("topology.debug", "yes"),
        ("topology.debug", 1),
        ("topology.message.timeout.secs", -1),
        ("topology.message.timeout.secs", "30"),
        ("topology.message.timeout.secs", "30 parsecs"),
        ("topology.message.timeout.secs", "-30s"),
        ("topology.message.timeout.secs", float("nan")),
        ("topology.message.timeout.secs", True),
        ("topology.message.timeout.secs", 0),
        ("topology.message.timeout.secs", 1e-9),
        ("topology.message.timeout.secs", "500us"),
        ("topology.tick.tuple.freq.secs", 1e-9),
        ("topology.message.timeout.secs", timedelta(seconds=-1)),
        ("topology.executor.outbox.hard.limit.bytes", "64 horses"),
        ("topology.executor.outbox.hard.limit.bytes", 1.5),
        ("topology.stats.sample.rate", 1.1),
        ("topology.executor.threads", "some"),
        ("topology.environment", ["PATH"]),
        ("nimbus.thrift.port", 65536),
        ("nimbus.seeds", "localhost"),
        ("supervisor.slots.ports", [0]),
        ("topology.workers", 10_001),
        ("topology.workers", 10**30),
        ("supervisor.worker.timeout.secs", 0),
        ("supervisor.worker.timeout.secs", -1),
        ("supervisor.worker.start.timeout.secs", 0),
        ("supervisor.worker.restart.window.secs", 0),
        ("supervisor.worker.max.restarts", -1),
        ("worker.heartbeat.frequency.secs", 0),
        ("worker.link.timeout", 0),
        ("worker.log.file.size", 0),
        ("worker.log.file.size", "1b"),
        ("worker.log.files", 0),
        ("worker.log.files", 10**6),
        ("worker.memory.limit.mb", 0),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(name: str, value: object) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        topology_conf({name: value})
    (mistake,) = caught.value.mistakes
    cause, _, hint = mistake.partition("\nhint: ")
    assert cause == f"{name} is {value!r}: it must be {REGISTRY[name].kind.description}"
    assert hint == "docs/reference/config.md has every key and what it takes"


@pytest.mark.parametrize("name", ["message.timeout.secs", "error.throttle.interval.secs"])
@pytest.mark.parametrize("value", [float("inf"), 1e300, "10001d"])
def test_a_duration_without_end_is_named_with_the_longest(name: str, value: object) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        topology_conf({f"topology.{name}": value})
    (mistake,) = caught.value.mistakes
    cause, _, hint = mistake.partition("\nhint: ")
    assert cause.startswith(f"topology.{name} is {value!r}: it must be a duration of ")
    assert cause.endswith("at most 10000d")
    assert hint


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("topology.max.spout.pending", 10**30, "a whole number of at most 1000000000, or null"),
        ("topology.executor.receive.buffer.size", 10**30, "a whole number of at most 1000000000"),
        ("worker.memory.limit.mb", float("inf"), "a number of at most 1000000000, or null"),
        ("worker.log.file.size", 10**30, "a size of at most 1000000000000000 bytes"),
        ("worker.log.file.size", "9" * 30 + "gib", "a size of at most 1000000000000000 bytes"),
    ],
)
def test_what_is_beyond_all_measure_is_named_with_the_most(
    name: str, value: object, most: str
) -> None:
    with pytest.raises(InvalidConfigError, match=f"{re.escape(name)} is .*: it must be {most}"):
        check({name: value})


@pytest.mark.parametrize(("beats", "silent"), [("30s", 30), (5, "5s"), (3600, None), (None, 0.5)])
def test_a_worker_that_would_be_killed_between_two_heartbeats(
    beats: object, silent: object
) -> None:
    asked = {"worker.heartbeat.frequency.secs": beats, "supervisor.worker.timeout.secs": silent}
    given = {name: value for name, value in asked.items() if value is not None}
    with pytest.raises(InvalidConfigError, match=r"hint: let supervisor\.worker\.timeout\.secs"):
        topology_conf(given)


def test_all_wrong_values_are_listed_at_once() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        topology_conf({"topology.workers": 0}, {"topology.debug": 3, 5: "five"})
    assert len(caught.value.mistakes) == 3


def test_a_layer_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="no mapping"):
        topology_conf(["topology.workers"])  # type: ignore[arg-type]


def test_the_last_layer_wins_and_none_is_no_layer() -> None:
    conf = topology_conf({"topology.workers": 2, "a": 1}, None, {"topology.workers": 3}).values
    assert (conf["topology.workers"], conf["a"], conf["topology.debug"]) == (3, 1, False)


def test_an_unknown_key_of_ours_names_the_nearest_and_is_passed_on() -> None:
    conf, warnings = topology_conf({"topology.max.spout.pendign": 5})
    assert conf["topology.max.spout.pendign"] == 5
    assert warnings == (
        "topology.max.spout.pendign is not a known key; did you mean 'topology.max.spout.pending'?",
    )


def test_an_unknown_key_of_ours_is_an_error_when_strict() -> None:
    with pytest.raises(InvalidConfigError, match=r"did you mean 'topology\.workers'"):
        topology_conf({"topology.worker": 5}, strict=True)


def test_any_other_key_is_the_users_own() -> None:
    value = object()
    conf, warnings = topology_conf({"input.path": value, "topologies": 1}, strict=True)
    assert conf["input.path"] is value
    assert warnings == ()


def test_a_key_without_effect_says_so_once_it_is_changed() -> None:
    assert topology_conf({"topology.worker.childopts": None}).warnings == ()
    (warning,) = topology_conf({"topology.worker.childopts": "-Xmx1g"}, strict=True).warnings
    assert warning.startswith("topology.worker.childopts is accepted without effect")


def test_a_component_overrides_the_keys_that_storm_lets_it() -> None:
    key = "topology.max.spout.pending"
    topology = topology_conf({key: 5, "shared": 1}).values
    conf, warnings = component_conf(topology, {key: 7, "shared": 2})
    assert (conf[key], conf["shared"]) == (7, 2)
    assert warnings == ()
    assert topology[key] == 5


def test_any_other_key_of_ours_has_no_effect_on_a_component_and_it_says_so() -> None:
    conf, warnings = component_conf(DEFAULTS, {"topology.workers": 9}, "bolt 'count'")
    assert conf["topology.workers"] == 1
    assert warnings == (
        "bolt 'count': topology.workers has no effect on one component; set it on the topology",
    )


def test_a_components_wrong_value_names_the_component() -> None:
    with pytest.raises(InvalidConfigError, match=r"bolt 'count': topology\.debug is 3"):
        component_conf(DEFAULTS, {"topology.debug": 3}, "bolt 'count'")


def test_storms_whitelist_of_component_keys() -> None:
    allowed = {name for name, key in REGISTRY.items() if key.per_component}
    assert {
        "topology.debug",
        "topology.max.spout.pending",
        "topology.max.task.parallelism",
        "topology.transactional.id",
        "topology.tick.tuple.freq.secs",
        "topology.spout.wait.strategy",
        "topology.sleep.spout.wait.strategy.time.ms",
        "topology.bolts.window.length.count",
        "topology.bolts.late.tuple.stream",
        "topology.state.provider",
        "topology.state.provider.config",
    } <= allowed
    assert not allowed & {"topology.workers", "topology.message.timeout.secs"}


def test_command_line_values_are_yaml() -> None:
    assert parse_assignments(["a=3", "b=true", "c=30s", "d=[1, 2]", "e=", "f=x=y", " g = 1.5"]) == {
        "a": 3,
        "b": True,
        "c": "30s",
        "d": [1, 2],
        "e": None,
        "f": "x=y",
        "g": 1.5,
    }


def test_all_wrong_assignments_are_listed() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        parse_assignments(["topology.workers", "=3", "a=[1", "b=2"])
    assert len(caught.value.mistakes) == 3


def test_a_file_is_read_and_an_absent_one_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_file(find_file(None)) == {}
    Path("typhoon.yaml").write_text("topology.workers: 4\n", encoding="utf-8")
    assert load_file(find_file(None)) == {"topology.workers": 4}


@pytest.mark.parametrize("text", ["- a list", "a: [", "just words"])
def test_a_file_that_holds_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=r"odd\.yaml"):
        load_file(file)


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"none\.yaml"):
        load_file(tmp_path / "none.yaml")


def test_an_empty_file_is_an_empty_configuration(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    file.touch()
    assert load_file(file) == {}


def test_the_reference_has_a_row_for_each_key() -> None:
    page = render_reference()
    assert [name for name in REGISTRY if f"| `{name}` |" not in page] == []
    row = next(line for line in page.splitlines() if "`topology.max.spout.pending`" in line)
    assert row.startswith("| `topology.max.spout.pending` | `null` | tuples | ● |")
    assert all(
        line.count("|") - line.count("\\|") == 6 for line in page.splitlines() if "| `" in line
    )


KEYS = st.sampled_from(sorted(REGISTRY)) | st.text(max_size=20)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_checking_either_lists_mistakes_or_gives_values_that_check_again(
    given_conf: dict[str, object],
) -> None:
    try:
        checked = check(given_conf)
    except InvalidConfigError:
        return
    assert checked.values.keys() == given_conf.keys()
    assert repr(check(checked.values).values) == repr(checked.values)
    topology_options({**defaults(), **checked.values})


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"a: [", "it is YAML"),
        (b"- a list", "write lines such as topology.debug: true"),
        (b"a: \xff", "save it as UTF-8"),
        (b"topology.workers: 1\ntopology.workers: 2\n", "each key once"),
        (b"a: {b: 1, c: 2, b: 3}", "each key once"),
    ],
    ids=["broken", "no mapping", "not UTF-8", "twice", "twice below"],
)
def test_a_file_that_is_wrong_has_a_hint(tmp_path: Path, content: bytes, hint: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidConfigError) as caught:
        load_file(file)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(str(file))
    assert hint in mistake.partition("\nhint: ")[2]


def test_what_a_key_that_stands_twice_is_called_and_where(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("a: 1\nb: 2\na: 3\n", encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=r"the key 'a' stands there twice.*line 3"):
        load_file(file)


def test_a_merge_in_a_file_is_no_second_key(tmp_path: Path) -> None:
    file = tmp_path / "merged.yaml"
    file.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [{x: 1}, {x: 2}]\n", encoding="utf-8")
    assert load_file(file)["b"] == {"x": 1, "y": 2}


def test_the_current_folder_s_file_comes_before_another_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(here)
    assert find_file(there) is None
    (there / "typhoon.yaml").touch()
    assert find_file(there) == there / "typhoon.yaml"
    (here / "typhoon.yaml").touch()
    assert find_file(there) == Path("typhoon.yaml")


@pytest.mark.parametrize("name", ["storm.foo", "worker.xx", "drpc.q", "topology.zzzzzzzzzzzzzz"])
def test_an_unknown_key_with_none_near_names_the_nearest_all_the_same(name: str) -> None:
    (warning,) = check({name: 1}).warnings
    assert f"{name} is not a known key; " in warning
    nearest = warning.rpartition(" ")[2].strip("?").strip("'")
    assert nearest in REGISTRY


def test_keys_written_as_nested_yaml_are_told_of() -> None:
    (warning,) = check({"topology": {"message": {"timeout.secs": 3}}}).warnings
    assert "topology is a mapping, and taken for a key of your own" in warning
    assert "topology.message.timeout.secs" in warning
    assert check({"mine": {"workers": 2}}).warnings == ()


def test_every_mistake_of_a_configuration_has_a_hint() -> None:
    given = {5: 1, "topology.workers": 0, "topology.wrokers": 1, "storm.zzz": 2}
    with pytest.raises(InvalidConfigError) as caught:
        check(given, strict=True)
    assert len(caught.value.mistakes) == 4
    assert [one for one in caught.value.mistakes if "\nhint: " not in one] == []
    with pytest.raises(InvalidConfigError) as caught:
        parse_assignments(["topology.workers", "a=[1"])
    assert [one for one in caught.value.mistakes if "\nhint: " not in one] == []


def test_isolation_is_accepted_and_says_what_comes_of_it() -> None:
    assert check({"topology.executor.isolation": "thread"}).warnings == ()
    (warning,) = check({"topology.executor.isolation": "process"}, strict=True).warnings
    assert "executors run inside their worker's process, see topology.workers" in warning
    with pytest.raises(InvalidConfigError, match="'thread' or 'process'"):
        check({"topology.executor.isolation": "fiber"})


@pytest.mark.parametrize(("given", "seconds"), [(2, 2.0), ("500ms", 0.5), (timedelta(0, 3), 3.0)])
def test_a_duration_in_seconds(given: object, seconds: float) -> None:
    assert read_duration(given) == seconds
