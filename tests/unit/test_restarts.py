"""How soon a worker is made anew, and how often."""

from typhoon.worker._restarts import BACK_OFF_S, LASTING_S, Restarts


def test_pauses_grow_and_the_sixth_end_in_a_row_is_the_last() -> None:
    restarts = Restarts()
    assert [restarts.pause(1.0) for _ in range(6)] == [*BACK_OFF_S, None]
    assert restarts.short == 6


def test_who_lasted_begins_with_the_shortest_pause() -> None:
    restarts = Restarts()
    for _ in range(4):
        restarts.pause(1.0)
    assert [restarts.pause(LASTING_S + 1), restarts.pause(1.0), restarts.pause(1.0)] == [
        BACK_OFF_S[0],
        BACK_OFF_S[0],
        BACK_OFF_S[1],
    ]
