package dev.fathom.training.cli;

import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of every command that works on a run. */
final class RunOptions {

  @Option(
      names = {"-c", "--config"},
      paramLabel = "FILE",
      description =
          "The run's configuration, YAML; what it does not say is as in the defaults ('fathom"
              + " train --defaults' prints them).")
  private @Nullable Path config;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      description = "The run's folder; made if need be. A run that was stopped goes on in it.")
  private Path out = Path.of("out", "run");

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "Changes one value, such as teacher.batch=8; may be repeated.")
  private List<String> settings = new ArrayList<>();

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      description = "Threads of the network. Default: all processors.")
  private @Nullable Integer threads;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "cpu, cuda or auto. Default: as the configuration says.")
  private @Nullable String device;

  @Mixin private GpuOptions gpu = new GpuOptions();

  RunConfig read() {
    List<String> all = new ArrayList<>(settings);
    if (threads != null) {
      all.add("threads=" + threads);
    }
    if (device != null) {
      all.add("device=" + device);
    }
    gpu.addTo(all);
    return ConfigReader.read(config, all);
  }

  Path out() {
    return out;
  }
}
