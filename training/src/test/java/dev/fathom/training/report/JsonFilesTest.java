package dev.fathom.training.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.picture.PictureException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.AbstractMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonFilesTest {

  private record Point(double x, Double y, float z) {}

  /** A map that fails half-way. */
  private static final class Broken extends AbstractMap<String, Object> {
    @Override
    public Set<Entry<String, Object>> entrySet() {
      throw new IllegalStateException("cannot be read");
    }
  }

  @TempDir private Path folder;

  @Test
  void recordsAndMapsKeepTheirOrderAndWhatIsNotFiniteIsNull() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("z", new Point(0.1, Double.NaN, Float.POSITIVE_INFINITY));
    map.put("a", new Point(1e-7, 2.0, 0.1f));
    assertEquals(
        "{\"z\":{\"x\":0.1,\"y\":null,\"z\":null},\"a\":{\"x\":1.0E-7,\"y\":2.0,\"z\":0.1}}",
        JsonFiles.line(map));
  }

  @Test
  void aFileIsReplacedWholeOrNotAtAll() throws IOException {
    Path file = folder.resolve("new/result.json");
    JsonFiles.write(file, Map.of("a", 1));
    assertEquals("{\n  \"a\" : 1\n}\n", Files.readString(file));
    JsonFiles.write(file, Map.of("a", 2));
    assertTrue(Files.readString(file).contains("2"));
    assertThrows(RuntimeException.class, () -> JsonFiles.write(file, new Broken()));
    assertTrue(Files.readString(file).contains("2"), "as it was");
    try (var files = Files.list(file.getParent())) {
      assertEquals(1, files.count());
    }
    PictureException refused =
        assertThrows(PictureException.class, () -> JsonFiles.write(folder, Map.of()));
    assertTrue(String.valueOf(refused.getMessage()).startsWith(folder.toString()));
  }
}
