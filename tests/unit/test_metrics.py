"""A component's own metrics, and the window over which capacity is taken."""

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon.metrics import BusyWindow, Counter, Histogram, Metrics, MetricsBook

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(NUMBERS, min_size=1))
def test_a_histogram_knows_the_ends_and_the_middle(numbers):
    histogram = Histogram()
    for number in numbers:
        histogram.update(number)
    value = histogram.value
    assert (value["count"], value["min"], value["max"]) == (
        len(numbers),
        min(numbers),
        max(numbers),
    )
    middle = sorted(numbers)[(len(numbers) + 1) // 2 - 1]
    assert value["p50"] == pytest.approx(middle, rel=0.0101)


def test_percentiles_are_within_one_per_cent_of_many():
    rng, histogram = random.Random(1), Histogram()
    numbers = [rng.lognormvariate(0, 5) for _ in range(20_000)]
    for number in numbers:
        histogram.update(number)
    numbers.sort()
    assert histogram.value["p50"] == pytest.approx(numbers[9_999], rel=0.0101)
    assert histogram.value["p99"] == pytest.approx(numbers[19_799], rel=0.0101)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_histogram_notes_finite_numbers(number):
    with pytest.raises(ValueError, match="finite"):
        Histogram().update(number)


def test_an_empty_histogram_has_a_count_alone():
    assert Histogram().value == {"count": 0}


def test_no_count_is_lost_between_threads():
    counter, histogram = Counter(), Histogram()

    def work():
        for _ in range(5_000):
            counter.inc()
            histogram.update(1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counter.value, histogram.value["count"]) == (20_000, 20_000)


def test_a_gauge_may_be_a_function_and_each_task_has_its_own(caplog):
    book = MetricsBook("b")
    one, other = Metrics(book, 1), Metrics(book, 2)
    one.gauge("depth").set(lambda: 2 + 3)
    other.gauge("depth").set(7)
    assert book.values() == {"depth": {1: 5, 2: 7}}
    other.gauge("depth").set(lambda: 1 / 0)
    assert book.values() == {"depth": {1: 5, 2: None}}
    assert book.values() == {"depth": {1: 5, 2: None}}
    assert len(caplog.records) == 1


def test_a_name_means_one_metric_of_one_kind():
    book = MetricsBook("b")
    one, other = Metrics(book, 1), Metrics(book, 2)
    assert one.counter("n") is other.counter("n")
    assert one.histogram("h") is other.histogram("h")
    assert one.gauge("g") is not other.gauge("g")
    with pytest.raises(ValueError, match="'b': metric 'n' is a counter, and was asked for as a"):
        other.gauge("n")
    for name in ("", 3):
        with pytest.raises(ValueError, match="text"):
            one.counter(name)


def test_report_chooses_by_what_is_there_and_by_the_value():
    book = MetricsBook("b")
    metrics = Metrics(book, 1)
    metrics.counter("counted")
    metrics.gauge("held")
    for value in (2, 3):
        for name in ("counted", "held", "new"):
            metrics.report(name, value)
    metrics.report("flag", True)
    values = book.values()
    assert (values["counted"], values["held"]) == (5, {1: 3})
    assert (values["new"]["count"], values["new"]["mean"]) == (2, 2.5)
    assert values["flag"] == {1: True}


def test_a_window_begins_at_the_start_and_then_moves():
    window = BusyWindow(100.0)
    assert window.shares(110.0, [5_000_000_000, 0]) == [0.5, 0.0]
    busy = 0
    for now in range(100, 1100, 5):
        busy += 5_000_000_000 if now >= 500 else 0
        window.look(float(now), [busy, 0])
    assert window.shares(1100.0, [busy, 0]) == pytest.approx([1.0, 0.0], abs=0.02)
    for now in range(1100, 1400, 5):
        window.look(float(now), [busy, 0])
    assert window.shares(1400.0, [busy, 0]) == pytest.approx([0.5, 0.0], abs=0.02)


def test_a_share_is_never_more_than_all():
    window = BusyWindow(0.0)
    assert window.shares(0.0, [10]) == [1.0]
    assert window.shares(1.0, [3_000_000_000]) == [1.0]
