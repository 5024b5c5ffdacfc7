"""The thread that keeps slots: with a launcher and a clock that do only what a test says."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from typhoon.cluster.supervisor import (
    Command,
    Death,
    SlotAssignment,
    SlotOptions,
    Slots,
    Status,
    slot_options,
)
from typhoon.config import topology_conf
from typhoon.errors import NotRunningError

OPTIONS = SlotOptions(
    start_timeout_s=120,
    worker_timeout_s=30,
    shutdown_s=3,
    memory_limit_bytes=None,
    max_restarts=2,
    restart_window_s=600,
    lasting_s=10,
    back_off_s=0.5,
    max_back_off_s=5,
)
PORT = 6700


def command(port: int, incarnation: int) -> Command:
    return Command(("worker", str(port), str(incarnation)))


A = SlotAssignment("a-1", frozenset({(1, 1)}), command)


class FakeLauncher:
    """Its workers live until `die`; `obeys` says whether they end when they are asked to."""

    def __init__(self) -> None:
        self.ear, self.bell = os.pipe()
        self.calls: list[tuple[object, ...]] = []
        self.alive: dict[int, int] = {}
        self.dead: list[Death] = []
        self.rss = 0
        self.obeys = True
        self.refuses: OSError | None = None
        self.breaks: Exception | None = None
        self.closed = False

    def fileno(self) -> int:
        return self.ear

    def ring(self) -> None:
        os.write(self.bell, b"!")

    def die(self, port: int, reason: str = "exit status 1") -> None:
        self.dead.append(Death(port, self.alive.pop(port), reason))
        self.ring()

    def launch(self, port: int, incarnation: int, command: Command) -> None:
        if self.refuses is not None:
            raise self.refuses
        assert port not in self.alive
        self.calls.append(("launch", *command.argv[1:]))
        self.alive[port] = incarnation

    def terminate(self, port: int) -> None:
        self.calls.append(("terminate", port))
        if self.obeys:
            self.die(port, "exit status 0")

    def kill(self, port: int) -> None:
        self.calls.append(("kill", port))
        self.die(port, "killed by SIGKILL")

    def rss_bytes(self, port: int) -> int:
        return self.rss

    def deaths(self) -> list[Death]:
        os.set_blocking(self.ear, False)
        try:
            os.read(self.ear, 1000)
        except BlockingIOError:
            pass
        if self.breaks is not None:
            raise self.breaks
        found, self.dead = self.dead, []
        return found

    def close(self) -> None:
        self.alive.clear()
        self.closed = True

    def give_back(self) -> None:
        os.close(self.ear)
        os.close(self.bell)


class House:
    """Slots, and all that a test does to them and hears from them."""

    def __init__(
        self,
        wait_until: Callable,
        options: SlotOptions = OPTIONS,
        fetch: Callable[[int, SlotAssignment], None] | None = None,
    ) -> None:
        self.wait_until = wait_until
        self.launcher = FakeLauncher()
        self.now = 100.0
        self.heard: list[tuple[int, Status, int, str]] = []
        self.slots = Slots(
            [PORT, PORT + 1],
            self.launcher,
            options,
            lambda *change: self.heard.append(change),
            fetch=fetch,
            clock=lambda: self.now,
        )

    def until(self, status: Status, incarnation: int) -> str:
        """Wait for this to be heard; gives its reason, and forgets what was heard before."""

        def heard() -> bool:
            return any(change[1:3] == (status, incarnation) for change in self.heard)

        self.wait_until(heard, what=f"{status} of incarnation {incarnation}")
        while self.heard:
            change = self.heard.pop(0)
            if change[1:3] == (status, incarnation):
                return change[3]
        raise AssertionError

    def start(self, incarnation: int = 1) -> None:
        self.slots.assign(PORT, A)
        self.until(Status.WAITING_FOR_WORKER_START, incarnation)
        self.beat(incarnation)

    def beat(self, incarnation: int) -> None:
        self.slots.heartbeat(PORT, incarnation)
        self.until(Status.RUNNING, incarnation)

    def pass_to_due(self) -> None:
        """Let time pass until something is due, or until memory is measured."""
        self.now = self.slots.state(PORT).due or self.now
        self.launcher.ring()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.launcher.ring()


@pytest.fixture
def build(wait_until: Callable) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(**arguments: object) -> House:
        houses.append(House(wait_until, **arguments))
        return houses[-1]

    yield make
    for house in houses:
        house.slots.close()
        house.launcher.give_back()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


def test_the_options_are_storms_where_storm_has_them() -> None:
    options = slot_options(topology_conf().values)
    assert (options.start_timeout_s, options.worker_timeout_s, options.shutdown_s) == (120, 30, 3)
    assert options.memory_limit_bytes is None
    limited = topology_conf({"worker.memory.limit.mb": 1.5}).values
    assert slot_options(limited).memory_limit_bytes == 1_500_000


def test_an_assignment_becomes_a_worker(house: House) -> None:
    house.start()
    assert house.launcher.calls == [("launch", "6700", "1")]
    assert house.slots.state(PORT).status is Status.RUNNING
    assert house.slots.state(PORT + 1).status is Status.EMPTY


def test_a_dead_worker_is_started_again_and_the_reason_told(house: House) -> None:
    house.start()
    house.launcher.die(PORT, "killed by SIGKILL")
    assert house.until(Status.WAITING_FOR_WORKER_START, 2) == "killed by SIGKILL"
    house.beat(2)


def test_a_slot_gives_up_when_the_budget_is_spent(house: House) -> None:
    house.slots.assign(PORT, A)
    house.until(Status.WAITING_FOR_WORKER_START, 1)
    house.launcher.die(PORT)
    house.until(Status.WAITING_FOR_WORKER_START, 2)
    house.launcher.die(PORT)
    assert "once more in 0.5 s" in house.until(Status.BACKING_OFF, 2)
    house.pass_to_due()
    house.until(Status.WAITING_FOR_WORKER_START, 3)
    house.launcher.die(PORT, "exit status 1: ModuleNotFoundError: No module named 'app'")
    reason = house.until(Status.GIVEN_UP, 3)
    assert reason.startswith("gave up after 2 restarts")
    assert reason.endswith("exit status 1: ModuleNotFoundError: No module named 'app'")


def test_silence_is_death(house: House) -> None:
    house.start()
    house.pass_to_due()
    assert house.until(Status.KILL_AND_RELAUNCH, 1) == ""
    assert house.until(Status.WAITING_FOR_WORKER_START, 2) == "was silent for 30 s"
    assert ("kill", PORT) in house.launcher.calls


def test_a_heartbeat_that_waits_in_the_inbox_is_not_late(house: House) -> None:
    house.start()
    house.now += 30
    house.slots.heartbeat(PORT, 1)
    house.wait_until(lambda: house.slots.state(PORT).due == 160.0)
    assert house.slots.state(PORT).status is Status.RUNNING


def test_who_supervises_stood_still_and_no_worker_is_to_blame(house: House) -> None:
    house.start()
    house.pass_by(300)
    house.wait_until(lambda: house.slots.state(PORT).due == 430.0)
    assert house.launcher.calls == [("launch", "6700", "1")]


def test_a_worker_that_does_not_end_when_asked_is_killed(house: House) -> None:
    house.launcher.obeys = False
    house.start()
    house.slots.assign(PORT, None)
    house.until(Status.KILL, 1)
    assert house.launcher.calls[-1] == ("terminate", PORT)
    house.pass_to_due()
    house.until(Status.EMPTY, 1)
    assert house.launcher.calls[-1] == ("kill", PORT)


def test_a_worker_above_its_memory_limit_is_killed(build: Callable[..., House]) -> None:
    house = build(options=replace(OPTIONS, memory_limit_bytes=1_000_000))
    house.start()
    house.launcher.rss = 2_000_000
    house.pass_by(1)
    assert house.until(Status.WAITING_FOR_WORKER_START, 2) == "out of memory: 2 MB of 1 MB"


def test_a_worker_that_cannot_be_started_uses_up_the_budget(house: House) -> None:
    house.launcher.refuses = FileNotFoundError(2, "No such file or directory", "pithon")
    house.slots.assign(PORT, A)
    reason = house.until(Status.BACKING_OFF, 2)
    assert reason.startswith("could not be started: FileNotFoundError: ")
    house.launcher.refuses = None
    house.pass_to_due()
    house.until(Status.WAITING_FOR_WORKER_START, 3)


def test_so_does_a_command_that_raises(house: House) -> None:
    def broken(port: int, incarnation: int) -> Command:
        raise RuntimeError("no secret")

    house.slots.assign(PORT, replace(A, command=broken))
    reason = house.until(Status.BACKING_OFF, 2)
    assert reason.startswith("could not be started: RuntimeError: no secret")


def test_code_is_fetched_first(build: Callable[..., House]) -> None:
    asked: list[tuple[int, SlotAssignment]] = []
    house = build(fetch=lambda *what: asked.append(what))
    house.slots.assign(PORT, A)
    house.until(Status.WAITING_FOR_LOCALIZATION, 0)
    house.wait_until(lambda: asked == [(PORT, A)])
    house.slots.fetched(PORT, "a-1", "no such blob")
    house.wait_until(lambda: len(asked) == 2)
    house.slots.fetched(PORT, "a-1")
    house.until(Status.WAITING_FOR_WORKER_START, 1)


def test_a_fetch_that_raises_is_a_fetch_that_failed(build: Callable[..., House]) -> None:
    def fetch(port: int, assignment: SlotAssignment) -> None:
        raise OSError("the disk is full")

    house = build(fetch=fetch)
    house.slots.assign(PORT, A)
    reason = house.until(Status.BACKING_OFF, 0)
    assert reason.startswith("its code did not arrive: OSError: the disk is full")


def test_who_is_told_may_assign_and_may_raise(wait_until: Callable) -> None:
    launcher = FakeLauncher()
    heard: list[tuple[int, Status]] = []

    def on_change(port: int, status: Status, incarnation: int, reason: str) -> None:
        heard.append((port, status))
        if port == PORT and status is Status.WAITING_FOR_WORKER_START:
            slots.assign(PORT + 1, A)
        raise RuntimeError("not my day")

    slots = Slots([PORT, PORT + 1], launcher, OPTIONS, on_change)
    slots.assign(PORT, A)
    wait_until(lambda: (PORT + 1, Status.WAITING_FOR_WORKER_START) in heard)
    slots.close()
    launcher.give_back()


def test_closing_ends_workers_in_order_and_takes_nothing_more(house: House) -> None:
    house.start()
    house.slots.close()
    assert house.launcher.calls == [("launch", "6700", "1"), ("terminate", PORT)]
    assert house.launcher.closed
    assert house.slots.state(PORT).status is Status.EMPTY
    house.slots.heartbeat(PORT, 1)
    with pytest.raises(NotRunningError):
        house.slots.assign(PORT, A)
    house.slots.close()


def test_closing_waits_no_longer_than_it_may(house: House) -> None:
    house.launcher.obeys = False
    house.start()
    house.slots.close(timeout=0.05)
    assert house.launcher.closed
    assert not house.launcher.alive


def test_a_port_that_is_no_slot(house: House) -> None:
    with pytest.raises(ValueError, match=r"there is no slot 80; there are \[6700, 6701\]"):
        house.slots.assign(80, A)


def test_if_the_thread_breaks_no_worker_stays_and_people_are_told(house: House) -> None:
    house.start()
    house.launcher.breaks = RuntimeError("bad descriptor")
    house.launcher.ring()
    reason = house.until(Status.GIVEN_UP, 1)
    assert reason == "its supervisor broke: RuntimeError('bad descriptor')"
    house.wait_until(lambda: house.launcher.closed)


def test_a_death_that_cannot_be_is_left_out(house: House) -> None:
    house.start()
    house.launcher.dead.append(Death(PORT + 1, 7, "who?"))
    house.launcher.die(PORT)
    house.until(Status.WAITING_FOR_WORKER_START, 2)


def test_heartbeats_from_many_threads(house: House) -> None:
    house.start()

    def beat() -> None:
        for _ in range(2000):
            house.slots.heartbeat(PORT, 1)

    threads = [threading.Thread(target=beat) for _ in range(4)]
    house.now += 20
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.wait_until(lambda: house.slots.state(PORT).due == 150.0)
