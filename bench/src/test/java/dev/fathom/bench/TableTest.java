package dev.fathom.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TableTest {

  @Test
  void columnsAreAligned() {
    Table table = new Table("operator", "ms:");
    table.row("fc1", "12.5");
    table.row("attention", "3");
    assertEquals(
        """
        | operator  |   ms |
        |-----------|-----:|
        | fc1       | 12.5 |
        | attention |    3 |
        """,
        table.markdown());
  }

  @Test
  void aTableWithoutRowsIsItsHeader() {
    assertEquals("| a  |  b |\n|----|---:|\n", new Table("a", "b:").markdown());
  }

  @Test
  void barsInCellsDoNotEndThem() {
    Table table = new Table("shape");
    table.row("a|b");
    assertEquals("| shape |\n|-------|\n| a\\|b  |\n", table.markdown());
  }

  @Test
  void aRowHasACellForEachColumn() {
    Table table = new Table("a", "b");
    assertThrows(IllegalArgumentException.class, () -> table.row("1"));
    assertThrows(IllegalArgumentException.class, () -> table.row("1", "2", "3"));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "1234.5, 1235",
    "123.45, 123",
    "12.345, 12.3",
    "1.2345, 1.23",
    "0.012345, 0.0123",
    "-1.5, -1.50",
    "NaN, NaN"
  })
  void numbersHaveThreeSignificantDigits(double value, String text) {
    assertEquals(text, Table.number(value));
  }
}
