package dev.fathom.bench;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * What a measured process knows besides its times, on the way to the process that started it: a
 * properties file that the system property {@value #PROPERTY} names.
 *
 * @param peak the larger of the peaks before and after
 */
record Figures(String shape, Operator.Unit unit, double work, Peak peak) {

  static final String PROPERTY = "fathom.bench.figures";

  static Figures of(Operator operator, Peak before, Peak after) {
    return new Figures(operator.shape(), operator.unit(), operator.work(), before.max(after));
  }

  /** Writes the file, if there is one to write: not when JMH was started by hand. */
  void writeIfAsked() throws IOException {
    String file = System.getProperty(PROPERTY);
    if (file != null) {
      write(Path.of(file));
    }
  }

  void write(Path file) throws IOException {
    Properties properties = new Properties();
    properties.setProperty("shape", shape);
    properties.setProperty("unit", unit.name());
    properties.setProperty("work", Double.toString(work));
    properties.setProperty("flops", Double.toString(peak.flopPerSecond()));
    properties.setProperty("bytes", Double.toString(peak.bytesPerSecond()));
    try (Writer writer = Files.newBufferedWriter(file)) {
      properties.store(writer, null);
    }
  }

  static Figures read(Path file) throws IOException {
    Properties properties = new Properties();
    try (Reader reader = Files.newBufferedReader(file)) {
      properties.load(reader);
    }
    return new Figures(
        value(properties, "shape"),
        Operator.Unit.valueOf(value(properties, "unit")),
        Double.parseDouble(value(properties, "work")),
        new Peak(
            Double.parseDouble(value(properties, "flops")),
            Double.parseDouble(value(properties, "bytes"))));
  }

  private static String value(Properties properties, String name) throws IOException {
    @Nullable String value = properties.getProperty(name);
    if (value == null) {
      throw new IOException("the measured process did not say its " + name);
    }
    return value;
  }
}
