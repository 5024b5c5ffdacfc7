from bolts.batches import Largest, Sums, Writer
from spouts.readings import Readings
from streamparse import Grouping, Topology


class Sensors(Topology):
    readings = Readings.spec()
    sums = Sums.spec(
        inputs={readings: Grouping.fields("sensor")},
        par=2,
        config={"topology.tick.tuple.freq.secs": 1},
    )
    largest = Largest.spec(inputs=[readings])
    writer = Writer.spec(inputs=[sums, largest])
