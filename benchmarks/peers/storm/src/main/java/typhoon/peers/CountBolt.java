package typhoon.peers;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.tuple.Tuple;

/** Counts words and emits nothing. */
public final class CountBolt extends BaseRichBolt {
    private static final List<Map<String, long[]>> ALL = new CopyOnWriteArrayList<>();

    private transient OutputCollector collector;
    private transient Map<String, long[]> counts;
    private transient Counter words;

    /** What all tasks have counted. Exact once the counter "words" says that the last word has arrived. */
    static Map<String, Long> result() {
        Map<String, Long> result = new HashMap<>();
        ALL.forEach(counts -> counts.forEach((word, count) -> result.merge(word, count[0], Long::sum)));
        return result;
    }

    @Override
    public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
        this.collector = collector;
        counts = new HashMap<>();
        words = Probe.counter("words");
        ALL.add(counts);
    }

    @Override
    public void execute(Tuple tuple) {
        counts.computeIfAbsent(tuple.getString(0), absent -> new long[1])[0]++;
        words.add(1);
        collector.ack(tuple);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        // emits nothing
    }
}
