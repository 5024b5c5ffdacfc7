package typhoon.peers;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.tuple.Fields;

/** lines → split → count, with the bolts in Java or in Python. */
final class WordCount {
    private WordCount() {}

    /** Words are counted where they arrive: in the last bolt. */
    static Workload inJava(Options options) throws IOException {
        Text.load(options.input());
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("lines", new LineSpout(options.acked()), options.executors().spouts());
        builder.setBolt("split", new SplitBolt(), options.executors().splits()).shuffleGrouping("lines");
        builder.setBolt("count", new CountBolt(), options.executors().counts())
                .fieldsGrouping("split", new Fields("word"));
        return new Workload(
                builder.createTopology(),
                "words",
                () -> Probe.total("words"),
                WordCount::wordsEmitted,
                () -> compare(CountBolt.result()));
    }

    /** Words are counted when their line has been acked; what the Python bolts hold is asked for at the end. */
    static Workload inPython(Options options) throws IOException {
        Text.load(options.input());
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("lines", new LineSpout(true), options.executors().spouts());
        builder.setSpout("report", new ReportSpout(), 1);
        builder.setBolt("split", PythonBolt.split(options.python()), options.executors().splits())
                .shuffleGrouping("lines");
        builder.setBolt("count", PythonBolt.count(options.python()), options.executors().counts())
                .fieldsGrouping("split", new Fields("word"))
                .allGrouping("report");
        return new Workload(
                builder.createTopology(),
                "words",
                () -> Probe.total("acked words"),
                WordCount::wordsEmitted,
                () -> compare(pythonResult()));
    }

    private static long wordsEmitted() {
        return Probe.each("emitted").stream().mapToLong(lines -> Text.wordsIn(lines.get())).sum();
    }

    private static void compare(Map<String, Long> counted) throws WrongResultException {
        Map<String, Long> expected = Text.expected(Probe.each("emitted"));
        if (!counted.equals(expected)) {
            throw new WrongResultException(
                    "counted " + sum(counted) + " words, " + counted.size() + " of them different; emitted were "
                            + sum(expected) + " words, " + expected.size() + " of them different");
        }
    }

    private static long sum(Map<String, Long> counts) {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    private static Map<String, Long> pythonResult() throws Exception {
        Path folder = Files.createTempDirectory("storm-peer");
        ReportSpout.ask(folder);
        Map<String, Long> result = new HashMap<>();
        ObjectMapper json = new ObjectMapper();
        for (File task : folder.toFile().listFiles()) {
            json.readValue(task, new TypeReference<Map<String, Long>>() {})
                    .forEach((word, count) -> result.merge(word, count, Long::sum));
            Files.delete(task.toPath());
        }
        Files.delete(folder);
        return result;
    }
}
