package dev.fathom.bench.gpu;

import dev.fathom.bench.Table;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** All that a check found, written anew after every section, so that a stop loses little. */
final class Results {

  /**
   * A program of kernel tests.
   *
   * @param program its name
   * @param passed whether nothing failed
   * @param summary its last line
   * @param failures its lines about what failed
   */
  record Tests(String program, boolean passed, String summary, List<String> failures) {}

  private final Path base;
  private final SequencedMap<String, String> machine = new LinkedHashMap<>();
  private final List<Tests> tests = new ArrayList<>();
  private final List<Row> rows = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final Set<String> launched = new TreeSet<>();
  private double peakFlop;
  private double peakBytes;

  /**
   * Results for two files.
   *
   * @param base {@code base.json} and {@code base.md} are written
   */
  Results(Path base) {
    this.base = base;
  }

  void machine(String name, String value) {
    machine.put(name, value);
  }

  /** Adds a line, once. */
  void note(String line) {
    if (!notes.contains(line)) {
      notes.add(line);
    }
  }

  void add(Tests program) {
    tests.add(program);
  }

  void add(Row row) {
    rows.add(row);
  }

  /** Puts a peer beside a row that is there; false if there is none of that name. */
  boolean beside(String section, String name, Row.Peer peer) {
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.get(i);
      if (row.section().equals(section) && row.name().equals(name)) {
        rows.set(i, row.beside(peer));
        return true;
      }
    }
    return false;
  }

  /** What whole networks launch: kernels that should have a row of their own. */
  void launched(Collection<String> kernels) {
    launched.addAll(kernels);
  }

  /** Notes kernels that whole networks launch and no row has. */
  void noteKernelsWithoutRows() {
    Set<String> missing = new TreeSet<>(launched);
    rows.forEach(row -> row.kernels().forEach(missing::remove));
    if (!missing.isEmpty()) {
      note("launched by a network, without a rate: " + String.join(", ", missing));
    }
  }

  /** What the machine reached in TFLOP/s: the measure of the shares. */
  void peakFlop(double rate) {
    peakFlop = rate;
  }

  /** What it reached in GB/s. */
  void peakBytes(double rate) {
    peakBytes = rate;
  }

  /** Whether all tests passed. */
  boolean passed() {
    return tests.stream().allMatch(Tests::passed);
  }

  List<Row> rows() {
    return List.copyOf(rows);
  }

  private @Nullable Double share(Row row) {
    double peak =
        switch (row.unit()) {
          case FLOP -> peakFlop;
          case BYTE -> peakBytes;
          case NONE -> 0;
        };
    return peak > 0 ? row.rate() / peak : null;
  }

  String markdown() {
    StringBuilder text = new StringBuilder("# GPU check\n\n");
    machine.forEach(
        (name, value) -> text.append("- ").append(name).append(": ").append(value).append('\n'));
    notes.forEach(note -> text.append("- ").append(note).append('\n'));
    if (!tests.isEmpty()) {
      Table table = new Table("tests", "result", "summary");
      for (Tests program : tests) {
        table.row(program.program(), program.passed() ? "passed" : "FAILED", program.summary());
      }
      text.append("\n## Tests\n\n").append(table.markdown());
      for (Tests program : tests) {
        program.failures().forEach(line -> text.append("\n    ").append(line));
      }
    }
    Map<String, List<Row>> sections =
        rows.stream()
            .collect(Collectors.groupingBy(Row::section, LinkedHashMap::new, Collectors.toList()));
    sections.forEach((title, members) ->
        text.append("\n## ").append(title).append("\n\n").append(table(members)));
    return text.toString();
  }

  private String table(List<Row> members) {
    Table table =
        new Table("what", "ms:", "rate:", "of peak:", "peers: ms, our time over theirs", "kernels");
    for (Row row : members) {
      Double share = share(row);
      table.row(
          row.name(),
          Table.number(row.ms()),
          row.unit() == Row.Unit.NONE ? "" : Table.number(row.rate()) + " " + row.unit().rate(),
          share == null ? "" : String.format(Locale.ROOT, "%.0f %%", 100 * share),
          row.peers().stream()
              .map(peer ->
                  String.format(
                      Locale.ROOT,
                      "%s %s, %.2f",
                      peer.name(),
                      Table.number(peer.ms()),
                      row.ms() / peer.ms()))
              .collect(Collectors.joining("; ")),
          row.kernels().stream()
              .map(kernel -> kernel.replaceFirst("^fathom_", ""))
              .collect(Collectors.joining(", ")));
    }
    return table.markdown();
  }

  String json() {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("machine", machine);
    root.put("notes", notes);
    root.put("peakTeraflops", peakFlop);
    root.put("peakGigabytesPerSecond", peakBytes);
    root.put("tests", tests);
    List<Map<String, Object>> figures = new ArrayList<>();
    for (Row row : rows) {
      Map<String, Object> figure = new LinkedHashMap<>();
      figure.put("section", row.section());
      figure.put("name", row.name());
      figure.put("ms", row.ms());
      if (row.unit() != Row.Unit.NONE) {
        figure.put("rate", row.rate());
        figure.put("unit", row.unit().rate());
      }
      figure.put("peers", row.peers());
      figure.put("kernels", row.kernels());
      figures.add(figure);
    }
    root.put("rows", figures);
    return JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build()
            .writeValueAsString(root)
        + "\n";
  }

  /** Writes both files; each is whole at any moment. */
  void write() throws IOException {
    Path parent = base.toAbsolutePath().getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    write(base.resolveSibling(base.getFileName() + ".json"), json());
    write(base.resolveSibling(base.getFileName() + ".md"), markdown());
  }

  private static void write(Path file, String text) throws IOException {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    Files.writeString(part, text);
    Files.move(part, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }
}
