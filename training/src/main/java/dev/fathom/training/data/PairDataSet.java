package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Pictures and their maps in files, put together by patterns or by a list.
 *
 * <p>A list is a table with a header: CSV (RFC 4180) if its name ends in {@code .csv}, otherwise
 * tab-separated. The columns, in any order, are {@code picture}, and if wanted {@code depth},
 * {@code mask}, {@code sky}, {@code classes}, {@code id}; paths are relative to the list's folder.
 * Only the cells of {@code mask}, {@code sky} and {@code classes} may be empty.
 */
public final class PairDataSet extends FileDataSet {

  private static final List<String> COLUMNS =
      List.of("picture", "depth", "mask", "sky", "classes", "id");

  private PairDataSet(String name, List<SampleParts> samples, DataSpec spec) {
    super(name, samples, spec);
  }

  /**
   * The samples below a folder whose files match the patterns, in the order of their ids. Pictures
   * without a depth map are left out if there is a pattern of depth maps; a sample that lacks
   * another of the maps is bad.
   *
   * @throws UserException if the folder cannot be read, a pattern is none, nothing matches, or two
   *     files are the same for one sample
   */
  public static PairDataSet ofPatterns(DataSpec spec) {
    return ofPatterns(spec, false);
  }

  static PairDataSet ofPatterns(DataSpec spec, boolean everyPicture) {
    Path folder = Path.of(spec.path());
    SampleTable table = new SampleTable(spec, spec.path(), false);
    for (String file : FileTree.files(folder)) {
      table.add(Part.file(folder, file));
    }
    List<SampleParts> samples = table.samples(everyPicture);
    samples.sort(Comparator.comparing(SampleParts::id));
    return new PairDataSet(spec.path(), samples, spec);
  }

  /**
   * The samples of a list, in its order. The files are looked for when a sample is read.
   *
   * @throws UserException if the list cannot be read, a column is missing or unknown, a line has
   *     too few or too many cells, there is no line, or two have the same id
   */
  public static PairDataSet ofList(DataSpec spec) {
    if (spec.hasPatterns()) {
      throw new UserException(
          spec.path(), "a list names its files itself: patterns are for folders and shards");
    }
    Path list = Path.of(spec.path());
    DelimitedFile table = DelimitedFile.read(list);
    if (table.header().isEmpty()) {
      throw new UserException(list, "the list is empty");
    }
    for (String column : table.header()) {
      if (!COLUMNS.contains(column)) {
        throw new UserException(
            list, "unknown column '" + column + "': the columns are " + String.join(", ", COLUMNS));
      }
    }
    if (!table.header().contains("picture")) {
      throw new UserException(
          list,
          "no column 'picture': the first line must name the columns, of "
              + String.join(", ", COLUMNS));
    }
    if (table.rows().isEmpty()) {
      throw new UserException(list, "the list has a header, but no lines below it");
    }
    Path parent = list.getParent();
    Rows rows = new Rows(list, parent == null ? Path.of("") : parent, table);
    return new PairDataSet(spec.path(), rows.samples(), spec);
  }

  /** The rows of a list as samples. */
  private record Rows(Path list, Path folder, DelimitedFile table) {

    List<SampleParts> samples() {
      List<String> ids = ids();
      Map<String, DelimitedFile.Row> known = new HashMap<>();
      List<SampleParts> samples = new ArrayList<>();
      for (int i = 0; i < ids.size(); i++) {
        DelimitedFile.Row row = table.rows().get(i);
        DelimitedFile.Row same = known.putIfAbsent(ids.get(i), row);
        if (same != null) {
          throw new UserException(
              list,
              "lines %d and %d have the same id '%s'"
                  .formatted(same.line(), row.line(), ids.get(i)));
        }
        Part picture = Part.file(folder, needed(row, "picture"));
        Part depth =
            table.header().contains("depth") ? Part.file(folder, needed(row, "depth")) : null;
        samples.add(
            new SampleParts(
                ids.get(i),
                picture,
                depth,
                optional(row, "mask"),
                optional(row, "sky"),
                optional(row, "classes")));
      }
      return samples;
    }

    private List<String> ids() {
      boolean own = table.header().contains("id");
      List<String> names = new ArrayList<>();
      for (DelimitedFile.Row row : table.rows()) {
        names.add(needed(row, own ? "id" : "picture"));
      }
      return own ? names : SampleTable.ids(names);
    }

    private String needed(DelimitedFile.Row row, String column) {
      String cell = row.cells().get(table.header().indexOf(column)).strip();
      if (cell.isEmpty()) {
        throw new UserException(list, "line " + row.line() + ": no " + column);
      }
      return checked(row, cell);
    }

    private @Nullable Part optional(DelimitedFile.Row row, String column) {
      int at = table.header().indexOf(column);
      String cell = at < 0 ? "" : row.cells().get(at).strip();
      return cell.isEmpty() ? null : Part.file(folder, checked(row, cell));
    }

    private String checked(DelimitedFile.Row row, String cell) {
      try {
        var _ = Path.of(cell);
        return cell;
      } catch (InvalidPathException e) {
        throw new UserException(list.toString(), "line " + row.line() + ": not a path", e);
      }
    }
  }
}
