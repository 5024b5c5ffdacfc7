package typhoon.peers;

import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.Map;

/**
 * One window of one run, as it is printed.
 *
 * @param done how many of {@code unit} came through in the window, {@code rate} of them per second
 * @param emitted spout tuples emitted since the start; likewise {@code acked} and {@code failed}
 * @param textWords how many words one pass over the text has; 0 where there is no text
 * @param rssMb resident memory of this process and the processes it started, at the window's end
 * @param firstTupleAt seconds since the epoch when the first tuple was seen to have come through
 */
@JsonNaming(SnakeCaseStrategy.class)
record Round(
        String mode,
        int round,
        String unit,
        long done,
        double seconds,
        double rate,
        long emitted,
        long acked,
        long failed,
        long textWords,
        Map<String, Percentiles> latencyMs,
        double rssMb,
        double firstTupleAt,
        Map<String, Object> settings) {}
