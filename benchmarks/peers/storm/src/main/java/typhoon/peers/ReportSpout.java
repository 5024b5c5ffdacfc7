package typhoon.peers;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Values;

/** Asks the counting processes, once, to write what they have counted into a folder. */
public final class ReportSpout extends BaseRichSpout {
    private static final AtomicReference<Path> FOLDER = new AtomicReference<>();
    private static final CountDownLatch WRITTEN = new CountDownLatch(1);
    private static final long PATIENCE_SECONDS = 30;

    private transient SpoutOutputCollector collector;

    /** Returns when every counting process has written its file. */
    static void ask(Path folder) throws Exception {
        FOLDER.set(folder);
        if (!WRITTEN.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new WrongResultException("the Python bolts did not report what they had counted");
        }
    }

    @Override
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
        this.collector = collector;
    }

    @Override
    public void nextTuple() {
        Path folder = FOLDER.getAndSet(null);
        if (folder != null) {
            collector.emit(new Values(folder.toString()), folder.toString());
        }
    }

    @Override
    public void ack(Object id) {
        WRITTEN.countDown();
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declare(new Fields("folder"));
    }
}
