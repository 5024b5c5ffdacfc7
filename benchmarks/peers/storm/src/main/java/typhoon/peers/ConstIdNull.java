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

/** Const → Id → Null, every tuple acked: the price of a hop and an ack where the work is nothing. */
final class ConstIdNull {
    private ConstIdNull() {}

    static Workload workload() {
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("const", new Const(), 1);
        builder.setBolt("id", new Id(), 1).shuffleGrouping("const");
        builder.setBolt("null", new Null(), 1).shuffleGrouping("id");
        return new Workload(
                builder.createTopology(),
                "tuples",
                () -> Probe.total("acked"),
                () -> Probe.total("emitted"),
                ConstIdNull::check);
    }

    private static void check() throws WrongResultException {
        if (Probe.total("swallowed") != Probe.total("emitted")) {
            throw new WrongResultException(
                    "emitted " + Probe.total("emitted") + " tuples, " + Probe.total("swallowed") + " arrived");
        }
    }

    /** Emits one and the same value as fast as it may. */
    public static final class Const extends BaseRichSpout {
        private transient SpoutOutputCollector collector;
        private transient Counter emitted;
        private transient Counter acked;
        private transient Counter failed;
        private transient SingleWriterRecorder latency;

        @Override
        public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
            this.collector = collector;
            emitted = Probe.counter("emitted");
            acked = Probe.counter("acked");
            failed = Probe.counter("failed");
            latency = Probe.recorder("emit to acked");
        }

        @Override
        public void nextTuple() {
            if (!Probe.stopped) {
                emitted.add(1);
                collector.emit(new Values("some data"), System.nanoTime());
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
            declarer.declare(new Fields("value"));
        }
    }

    /** Passes on what it gets. */
    public static final class Id extends BaseRichBolt {
        private transient OutputCollector collector;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            this.collector = collector;
        }

        @Override
        public void execute(Tuple tuple) {
            collector.emit(tuple, tuple.getValues());
            collector.ack(tuple);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("value"));
        }
    }

    /** Swallows what it gets. */
    public static final class Null extends BaseRichBolt {
        private transient OutputCollector collector;
        private transient Counter swallowed;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            this.collector = collector;
            swallowed = Probe.counter("swallowed");
        }

        @Override
        public void execute(Tuple tuple) {
            swallowed.add(1);
            collector.ack(tuple);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            // emits nothing
        }
    }
}
