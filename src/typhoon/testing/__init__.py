"""What Typhoon's own tests are written with, for yours."""

from typhoon.testing._clock import FakeClock

__all__ = ["FakeClock"]
