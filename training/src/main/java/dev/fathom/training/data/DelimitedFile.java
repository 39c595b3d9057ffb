package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;

/**
 * A table in text, UTF-8 with or without a byte-order mark, lines ended by LF or CRLF, empty lines
 * skipped. {@code .csv}: commas and quotes by RFC 4180, and nothing looser. Otherwise tabs, no
 * quotes.
 *
 * @param header names of the columns, stripped, each once
 * @param rows the lines below
 */
record DelimitedFile(List<String> header, List<Row> rows) {

  /** A line: its number in the file, from 1, and as many cells as the header has. */
  record Row(int line, List<String> cells) {}

  /**
   * Reads a table.
   *
   * @throws UserException if there is none, or a line is broken
   */
  static DelimitedFile read(Path file) {
    String text;
    try {
      text = Files.readString(file);
    } catch (NoSuchFileException e) {
      throw new UserException(file.toString(), "no such file", e);
    } catch (CharacterCodingException e) {
      throw new UserException(file.toString(), "not a list in UTF-8", e);
    } catch (IOException e) {
      throw new UserException(file.toString(), "cannot read the list: " + e.getMessage(), e);
    }
    boolean csv = file.toString().toLowerCase(Locale.ROOT).endsWith(".csv");
    return new Parser(file, text, csv).table();
  }

  private static final class Parser {
    private final Path file;
    private final String text;
    private final boolean csv;
    private final char separator;
    private int at;
    private int line = 1;

    Parser(Path file, String text, boolean csv) {
      this.file = file;
      this.text = text;
      this.csv = csv;
      separator = csv ? ',' : '\t';
      at = text.startsWith("\uFEFF") ? 1 : 0;
    }

    DelimitedFile table() {
      List<String> header = new ArrayList<>();
      List<Row> rows = new ArrayList<>();
      while (at < text.length()) {
        int first = line;
        List<String> cells = cells();
        if (cells.size() == 1 && cells.getFirst().isBlank()) {
          continue;
        }
        if (header.isEmpty()) {
          cells.forEach(cell -> header.add(cell.strip()));
          if (new HashSet<>(header).size() < header.size()) {
            throw broken(first, "a column twice");
          }
          continue;
        }
        if (cells.size() != header.size()) {
          throw broken(
              first, cells.size() + " cells where the header has " + header.size() + " columns");
        }
        rows.add(new Row(first, List.copyOf(cells)));
      }
      return new DelimitedFile(header, rows);
    }

    /** The cells of a line, and past its end. */
    private List<String> cells() {
      List<String> cells = new ArrayList<>();
      while (true) {
        cells.add(csv && at < text.length() && text.charAt(at) == '"' ? quoted() : plain());
        if (at < text.length() && text.charAt(at) == separator) {
          at++;
        } else {
          endLine();
          return cells;
        }
      }
    }

    private String plain() {
      int start = at;
      while (at < text.length() && text.charAt(at) != separator && !atLineEnd()) {
        if (csv && text.charAt(at) == '"') {
          throw broken(line, "a quote inside a cell that does not begin with one");
        }
        at++;
      }
      return text.substring(start, at);
    }

    private String quoted() {
      int first = line;
      StringBuilder cell = new StringBuilder();
      at++;
      while (at < text.length()) {
        char c = text.charAt(at++);
        if (c == '\n') {
          line++;
        }
        if (c != '"') {
          cell.append(c);
        } else if (at < text.length() && text.charAt(at) == '"') {
          cell.append('"');
          at++;
        } else {
          if (at < text.length() && text.charAt(at) != separator && !atLineEnd()) {
            throw broken(line, "text behind a closing quote");
          }
          return cell.toString();
        }
      }
      throw broken(first, "a quote that does not close");
    }

    private boolean atLineEnd() {
      return text.startsWith("\n", at) || text.startsWith("\r\n", at);
    }

    private void endLine() {
      if (text.startsWith("\r\n", at)) {
        at++;
      }
      at++;
      line++;
    }

    private UserException broken(int where, String problem) {
      return new UserException(file, "line " + where + ": " + problem);
    }
  }
}
