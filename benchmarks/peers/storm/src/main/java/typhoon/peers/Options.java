package typhoon.peers;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * What the command line says.
 *
 * @param mode word-count, python-word-count, const or latency
 * @param input the text of the word counts; null for the other modes
 * @param python the interpreter of the Python bolts
 * @param executors how many of spouts, splits and counts
 * @param acked whether spouts give their tuples an id; without, there are no ackers either
 * @param pending topology.max.spout.pending; 0 leaves Storm's default
 * @param batch topology.producer.batch.size; 0 leaves Storm's default
 * @param waiting "park" for Storm's parking wait strategies, "default" for its defaults
 * @param rate events per second of the latency mode
 */
record Options(
        String mode,
        Path input,
        String python,
        Executors executors,
        boolean acked,
        int pending,
        int batch,
        String waiting,
        double rate,
        int rounds,
        double warmUpSeconds,
        double seconds) {

    record Executors(int spouts, int splits, int counts) {
        static Executors parse(String text) {
            String[] parts = text.split("/");
            if (parts.length != 3) {
                throw new IllegalArgumentException("--executors wants spouts/splits/counts, not '" + text + "'");
            }
            return new Executors(
                    Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2]));
        }
    }

    /** Reads {@code MODE [--name value]...}; a name that is not known is an error. */
    static Options parse(String[] args) {
        Map<String, String> given = new HashMap<>();
        for (int at = 1; at + 1 < args.length; at += 2) {
            given.put(args[at], args[at + 1]);
        }
        if (args.length % 2 == 0) {
            throw new IllegalArgumentException("usage: MODE [--name value]...");
        }
        String input = given.remove("--input");
        Options options = new Options(
                args[0],
                input == null ? null : Path.of(input),
                take(given, "--python", "python3"),
                Executors.parse(take(given, "--executors", "1/1/1")),
                Boolean.parseBoolean(take(given, "--acked", "true")),
                Integer.parseInt(take(given, "--pending", "0")),
                Integer.parseInt(take(given, "--batch", "0")),
                take(given, "--waiting", "default"),
                Double.parseDouble(take(given, "--rate", "500")),
                Integer.parseInt(take(given, "--rounds", "1")),
                Double.parseDouble(take(given, "--warm-up", "10")),
                Double.parseDouble(take(given, "--seconds", "8")));
        if (!given.isEmpty()) {
            throw new IllegalArgumentException("unknown options " + given.keySet());
        }
        return options;
    }

    private static String take(Map<String, String> given, String name, String otherwise) {
        String value = given.remove(name);
        return value == null ? otherwise : value;
    }
}
