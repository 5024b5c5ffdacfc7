"""Splits lines into words, as a process that Storm talks to; needs ``pystorm`` installed."""

# pystorm is not there where the project is type-checked.
# mypy: disable-error-code="import-not-found, misc"

from pystorm import Bolt, Tuple


class SplitBolt(Bolt):
    """Emits each word of a line; pystorm anchors it to the line and acks the line afterwards."""

    def process(self, tup: Tuple) -> None:
        for word in tup.values[0].split():
            self.emit([word])


if __name__ == "__main__":
    SplitBolt().run()
