package typhoon.peers;

import java.util.Map;
import org.HdrHistogram.SingleWriterRecorder;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;

/**
 * Three stages at a fixed rate: from when an event was due, and from when it was emitted, to the last bolt; and from
 * emitted to acked. An event that comes late does not move the ones after it: they stay due when they were.
 */
final class FixedRate {
    private FixedRate() {}

    static Workload workload(Options options) {
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("paced", new Paced(options.rate()), 1);
        builder.setBolt("pass", new Pass(), 1).shuffleGrouping("paced");
        builder.setBolt("last", new Last(), 1).shuffleGrouping("pass");
        return new Workload(
                builder.createTopology(),
                "events",
                () -> Probe.total("arrived"),
                () -> Probe.total("emitted"),
                FixedRate::check);
    }

    private static void check() throws WrongResultException {
        if (Probe.total("failed") > 0) {
            throw new WrongResultException(Probe.total("failed") + " events failed");
        }
    }

    /** Emits each event when it is due, or as soon after as it is asked. */
    public static final class Paced extends BaseRichSpout {
        private final long periodNanos;
        private transient SpoutOutputCollector collector;
        private transient long due;
        private transient Counter emitted;
        private transient Counter acked;
        private transient Counter failed;
        private transient SingleWriterRecorder latency;

        Paced(double rate) {
            periodNanos = (long) (1e9 / rate);
        }

        @Override
        public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
            this.collector = collector;
            emitted = Probe.counter("emitted");
            acked = Probe.counter("acked");
            failed = Probe.counter("failed");
            latency = Probe.recorder("emit to acked");
            due = System.nanoTime() + periodNanos;
        }

        @Override
        public void nextTuple() {
            long now = System.nanoTime();
            if (now >= due && !Probe.stopped) {
                emitted.add(1);
                collector.emit(new Values(due, now), now);
                due += periodNanos;
            }
        }

        @Override
        public void ack(Object sent) {
            latency.recordValue(System.nanoTime() - (Long) sent);
            acked.add(1);
        }

        @Override
        public void fail(Object sent) {
            failed.add(1);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("due", "emitted"));
        }
    }

    /** The stage in the middle. */
    public static final class Pass extends BaseRichBolt {
        private transient OutputCollector collector;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            this.collector = collector;
        }

        @Override
        public void execute(Tuple event) {
            collector.emit(event, event.getValues());
            collector.ack(event);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("due", "emitted"));
        }
    }

    /** Takes the time. */
    public static final class Last extends BaseRichBolt {
        private transient OutputCollector collector;
        private transient Counter arrived;
        private transient SingleWriterRecorder fromDue;
        private transient SingleWriterRecorder fromEmit;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            this.collector = collector;
            arrived = Probe.counter("arrived");
            fromDue = Probe.recorder("due to last");
            fromEmit = Probe.recorder("emit to last");
        }

        @Override
        public void execute(Tuple event) {
            long now = System.nanoTime();
            fromDue.recordValue(now - event.getLong(0));
            fromEmit.recordValue(now - event.getLong(1));
            arrived.add(1);
            collector.ack(event);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            // emits nothing
        }
    }
}
