package typhoon.peers;

import org.apache.storm.Config;

/** Turns options into Storm's configuration; whatever is not set here is Storm's own default. */
final class Settings {
    private static final String PARK = "org.apache.storm.policy.WaitStrategyPark";

    private Settings() {}

    static Config of(Options options) {
        Config config = new Config();
        config.setNumWorkers(1);
        if (!options.acked()) {
            config.setNumAckers(0);
        }
        if (options.pending() > 0) {
            config.setMaxSpoutPending(options.pending());
        }
        if (options.batch() > 0) {
            config.put(Config.TOPOLOGY_PRODUCER_BATCH_SIZE, options.batch());
        }
        if (options.waiting().equals("park")) {
            config.put(Config.TOPOLOGY_SPOUT_WAIT_STRATEGY, PARK);
            config.put(Config.TOPOLOGY_BOLT_WAIT_STRATEGY, PARK);
            config.put(Config.TOPOLOGY_BACKPRESSURE_WAIT_STRATEGY, PARK);
        }
        return config;
    }
}
