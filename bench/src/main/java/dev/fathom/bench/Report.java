package dev.fathom.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Tables and where they were measured, as Markdown for people and JSON for programs. */
final class Report {

  private final Map<String, String> machine;
  private final List<Measurement> operators = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final List<Section> sections = new ArrayList<>();

  /** A table of another kind: its title, the text, and the figures behind it. */
  record Section(String title, String markdown, Map<String, Object> figures) {}

  Report(Map<String, String> machine) {
    this.machine = new LinkedHashMap<>(machine);
  }

  void add(Measurement measurement) {
    operators.add(measurement);
  }

  void add(Section section) {
    sections.add(section);
  }

  /** Adds a line about what is missing. */
  void note(String line) {
    notes.add(line);
  }

  /** Adds a property of the machine that is known only at the end. */
  void machine(String name, String value) {
    machine.put(name, value);
  }

  /** The whole report. */
  String markdown() {
    StringBuilder text = new StringBuilder("# Benchmarks\n\n");
    machine.forEach(
        (name, value) -> text.append("- ").append(name).append(": ").append(value).append('\n'));
    notes.forEach(note -> text.append("- ").append(note).append('\n'));
    if (!operators.isEmpty()) {
      text.append("\n## Operators\n\n").append(operatorTable());
    }
    for (Section section : sections) {
      text.append("\n## ").append(section.title()).append("\n\n").append(section.markdown());
    }
    return text.toString();
  }

  private String operatorTable() {
    Table table =
        new Table(
            "operator", "model", "threads:", "isa", "shape", "ms:", "rate:", "of peak:", "peers");
    for (Measurement m : operators) {
      if (m.library().equals("fathom")) {
        table.row(
            m.operator(),
            m.model(),
            Integer.toString(m.threads()),
            m.isa(),
            m.shape(),
            m.unit() == Operator.Unit.CALL ? "" : Table.number(m.best()),
            m.rateText(),
            m.shareText(),
            peers(m));
      }
    }
    return table.markdown();
  }

  /** The same product by vendors, and how long this project takes for each unit of their time. */
  private String peers(Measurement own) {
    List<String> texts = new ArrayList<>();
    for (Measurement peer : operators) {
      if (!peer.library().equals("fathom") && sameWork(own, peer)) {
        texts.add(
            "%s %s ms, %s; time ratio %s"
                .formatted(
                    peer.shape(), Table.number(peer.best()), peer.shareText(), ratio(own, peer)));
      }
    }
    return String.join("; ", texts);
  }

  /** Time over the peer's time; each over its own process's peak, as the machine's speed varies. */
  private static String ratio(Measurement own, Measurement peer) {
    return own.share() == null || peer.share() == null
        ? Table.number(own.best() / peer.best())
        : Table.number(peer.share() / own.share());
  }

  private static boolean sameWork(Measurement a, Measurement b) {
    return a.operator().equals(b.operator())
        && a.model().equals(b.model())
        && a.threads() == b.threads()
        && a.isa().equals(b.isa());
  }

  /** The same figures, unrounded. */
  String json() {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("machine", machine);
    root.put("notes", notes);
    root.put("operators", operators);
    Map<String, Object> others = new LinkedHashMap<>();
    sections.forEach(section -> others.put(section.title(), section.figures()));
    root.put("sections", others);
    return JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build()
            .writeValueAsString(root)
        + "\n";
  }

  /** Writes {@code <base>.md} and {@code <base>.json}. */
  void write(Path base) throws IOException {
    Path parent = base.toAbsolutePath().getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    Files.writeString(base.resolveSibling(base.getFileName() + ".md"), markdown());
    Files.writeString(base.resolveSibling(base.getFileName() + ".json"), json());
  }
}
