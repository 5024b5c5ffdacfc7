package typhoon.peers;

import java.util.Map;
import org.apache.storm.task.ShellBolt;
import org.apache.storm.topology.IRichBolt;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.tuple.Fields;

/** A bolt that is a Python process; its script comes out of the jar's {@code resources/}. */
final class PythonBolt extends ShellBolt implements IRichBolt {
    private final String[] fields;

    private PythonBolt(String python, String script, String... fields) {
        super(python, script);
        this.fields = fields;
    }

    static PythonBolt split(String python) {
        return new PythonBolt(python, "split_bolt.py", "word");
    }

    static PythonBolt count(String python) {
        return new PythonBolt(python, "count_bolt.py");
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        if (fields.length > 0) {
            declarer.declare(new Fields(fields));
        }
    }

    @Override
    public Map<String, Object> getComponentConfiguration() {
        return null;
    }
}
