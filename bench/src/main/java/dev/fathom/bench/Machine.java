package dev.fathom.bench;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.NativeLibrary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a table was measured on. */
final class Machine {

  private static final Path CACHES = Path.of("/sys/devices/system/cpu/cpu0/cache");
  private static final Pattern COMPILER =
      Pattern.compile("(?:GCC: \\([^)\\x00]*\\) [0-9.]+|clang version [0-9.]+)");

  private Machine() {}

  /** Name and value of each property, in the order in which they are printed. */
  static Map<String, String> describe() {
    Map<String, String> description = new LinkedHashMap<>();
    description.put("processor", Native.cpuDescription());
    description.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
    description.put("caches of a core", caches(CACHES));
    description.put(
        "kernel", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    description.put(
        "JDK",
        System.getProperty("java.vendor") + " " + System.getProperty("java.runtime.version"));
    description.put("compiler", compiler(NativeLibrary.load().path()));
    description.put("library", "fathom " + NativeLibrary.load().version());
    description.put("date", LocalDate.now(ZoneOffset.UTC).toString());
    return description;
  }

  /** The number of runnable tasks over the last minute; above the cores, others disturb. */
  static String load() {
    try {
      String averages = Files.readString(Path.of("/proc/loadavg"));
      return averages.substring(0, averages.indexOf(' '));
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** As {@code L1d 32K, L2 1024K, L3 36608K}. */
  static String caches(Path folder) {
    List<String> caches = new ArrayList<>();
    for (int i = 0; Files.isDirectory(folder.resolve("index" + i)); i++) {
      Path index = folder.resolve("index" + i);
      String type = read(index.resolve("type"));
      if (!type.equals("Instruction")) {
        String suffix = type.equals("Data") ? "d" : "";
        caches.add("L" + read(index.resolve("level")) + suffix + " " + read(index.resolve("size")));
      }
    }
    return caches.isEmpty() ? "unknown" : String.join(", ", caches);
  }

  /** What compiled a library, as compilers note it in their output. */
  static String compiler(Path library) {
    try {
      Matcher matcher =
          COMPILER.matcher(new String(Files.readAllBytes(library), StandardCharsets.ISO_8859_1));
      return matcher.find() ? matcher.group() : "unknown";
    } catch (IOException e) {
      return "unknown";
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      return "?";
    }
  }
}
