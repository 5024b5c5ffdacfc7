package typhoon.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringTokenizer;

/** The text in memory, loaded once before the topology is submitted and only read from then on. */
final class Text {
    private static String[] lines = {};
    private static int[] words = {};

    private Text() {}

    static void load(Path path) throws IOException {
        List<String> read = Files.readAllLines(path);
        lines = read.toArray(String[]::new);
        words = read.stream().mapToInt(line -> new StringTokenizer(line).countTokens()).toArray();
    }

    static String[] lines() {
        return lines;
    }

    /** How many words each line has. */
    static int[] words() {
        return words;
    }

    /** How many words the first {@code emitted} lines have, where the text is read again and again. */
    static long wordsIn(long emitted) {
        if (lines.length == 0) {
            return 0;
        }
        long whole = emitted / lines.length;
        int rest = (int) (emitted % lines.length);
        long sum = 0;
        for (int at = 0; at < lines.length; at++) {
            sum += words[at] * (at < rest ? whole + 1 : whole);
        }
        return sum;
    }

    /** Adds to {@code counts} how often each word is in those lines. */
    static void countInto(Map<String, Long> counts, long emitted) {
        long whole = emitted / lines.length;
        int rest = (int) (emitted % lines.length);
        for (int at = 0; at < lines.length; at++) {
            long times = at < rest ? whole + 1 : whole;
            StringTokenizer tokens = new StringTokenizer(lines[at]);
            while (times > 0 && tokens.hasMoreTokens()) {
                counts.merge(tokens.nextToken(), times, Long::sum);
            }
        }
    }

    /** The exact result after each of several spouts has emitted so many lines. */
    static Map<String, Long> expected(List<Counter> emitted) {
        Map<String, Long> counts = new HashMap<>();
        emitted.forEach(lines -> countInto(counts, lines.get()));
        return counts;
    }
}
