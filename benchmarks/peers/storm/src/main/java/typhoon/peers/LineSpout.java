package typhoon.peers;

import java.util.Map;
import org.HdrHistogram.SingleWriterRecorder;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Values;

/** Emits the text line by line, for ever; every task starts at its beginning. */
public final class LineSpout extends BaseRichSpout {
    private record Sent(int words, long nanos) {}

    private final boolean acked;
    private transient SpoutOutputCollector collector;
    private transient String[] lines;
    private transient int[] words;
    private transient int next;
    private transient Counter emittedLines;
    private transient Counter ackedLines;
    private transient Counter ackedWords;
    private transient Counter failedLines;
    private transient SingleWriterRecorder latency;

    LineSpout(boolean acked) {
        this.acked = acked;
    }

    @Override
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
        this.collector = collector;
        lines = Text.lines();
        words = Text.words();
        emittedLines = Probe.counter("emitted");
        ackedLines = Probe.counter("acked");
        ackedWords = Probe.counter("acked words");
        failedLines = Probe.counter("failed");
        latency = acked ? Probe.recorder("emit to acked") : null;
    }

    @Override
    public void nextTuple() {
        if (Probe.stopped) {
            return;
        }
        int line = next;
        next = line + 1 == lines.length ? 0 : line + 1;
        emittedLines.add(1);
        if (acked) {
            collector.emit(new Values(lines[line]), new Sent(words[line], System.nanoTime()));
        } else {
            collector.emit(new Values(lines[line]));
        }
    }

    @Override
    public void ack(Object id) {
        Sent sent = (Sent) id;
        latency.recordValue(System.nanoTime() - sent.nanos());
        ackedWords.add(sent.words());
        ackedLines.add(1);
    }

    @Override
    public void fail(Object id) {
        failedLines.add(1);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declare(new Fields("line"));
    }
}
