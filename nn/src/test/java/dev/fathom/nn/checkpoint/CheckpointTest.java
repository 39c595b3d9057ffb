package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"plain.safetensors", "plain.pth", "legacy.pth", "nested.pt"})
  void everyFormatGivesTheSameTensors(String file) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(GoldenFiles.copy(file, folder))) {
      var expected = GoldenFiles.expected();
      assertEquals(expected.keySet(), checkpoint.names());
      expected.forEach((name, tensor) -> {
        assertEquals(new TensorInfo(name, tensor.dtype(), tensor.shape()), checkpoint.info(name));
        assertArrayEquals(tensor.floats(), GoldenFiles.floats(checkpoint, name), name);
      });
    }
  }

  @ParameterizedTest
  @CsvSource({
    "plain.safetensors,SAFETENSORS",
    "plain.pth,TORCH_ZIP",
    "nested.pt,TORCH_ZIP",
    "legacy.pth,TORCH_LEGACY"
  })
  void formatIsToldFromContentsNotFromTheName(String file, Checkpoint.Format format)
      throws IOException {
    Path renamed = Files.write(folder.resolve("weights.bin"), GoldenFiles.bytes(file));
    try (Checkpoint checkpoint = Checkpoint.open(renamed)) {
      assertEquals(format, checkpoint.format());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "truncated.safetensors | tensor 'shared_b' lies at bytes 871 to 903 of 887",
        "bad_offsets.safetensors | tensor 'f32' lies at bytes 0 to 1099511627776 of 927",
        "overlap.safetensors | tensor 'f64' of F64 [7] takes 56 bytes, not 240",
        "huge_header.safetensors | the safetensors header claims 4611686018427387904 bytes",
        "truncated.pth | the file is truncated",
        "evil.pth | refers to 'posix.system'",
        "foreign_class.pth | refers to 'argparse.Namespace'"
      })
  void badFilesAreRefusedWithTheReason(String file, String reason) throws IOException {
    Path path = GoldenFiles.copy(file, folder);
    CheckpointException refused =
        assertThrows(CheckpointException.class, () -> Checkpoint.open(path).close());
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
    assertTrue(refused.getMessage().startsWith(path + ": "), refused.getMessage());
    assertEquals(1, refused.getMessage().lines().count());
  }

  @Test
  void readingAMaliciousPickleRunsNothing() throws IOException {
    Path path = GoldenFiles.copy("evil.pth", folder);
    assertThrows(CheckpointException.class, () -> Checkpoint.open(path).close());
    assertFalse(Files.exists(Path.of("pickle_was_executed")));
    assertFalse(Files.exists(folder.resolve("pickle_was_executed")));
  }

  @Test
  void contiguousFloat32IsUsedInPlace() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(GoldenFiles.copy("plain.pth", folder))) {
      var expected = GoldenFiles.expected();
      MemorySegment mapped = checkpoint.mapped("shared_b").orElseThrow();
      assertArrayEquals(expected.get("shared_b").floats(), mapped.toArray(ValueLayout.JAVA_FLOAT));
      assertTrue(mapped.isReadOnly());
      for (String other : List.of("transposed", "slice", "f16", "bf16", "f64", "i32")) {
        assertTrue(checkpoint.mapped(other).isEmpty(), other);
      }
    }
  }

  @Test
  void misalignedFloat32IsNotUsedInPlace() throws IOException {
    // In this file three booleans put everything after them on odd addresses.
    try (Checkpoint checkpoint = Checkpoint.open(GoldenFiles.copy("plain.safetensors", folder))) {
      assertTrue(checkpoint.mapped("f32").isPresent());
      assertTrue(checkpoint.mapped("parameter").isEmpty());
    }
  }

  @Test
  void useAfterCloseThrows() throws IOException {
    Checkpoint checkpoint = Checkpoint.open(GoldenFiles.copy("plain.pth", folder));
    MemorySegment mapped = checkpoint.mapped("f32").orElseThrow();
    WritableTensor writable = checkpoint.writable("f32");
    checkpoint.close();
    checkpoint.close();
    assertThrows(
        IllegalStateException.class,
        () -> checkpoint.readFloats("f32", MemorySegment.ofArray(new float[60])));
    assertThrows(IllegalStateException.class, () -> checkpoint.mapped("f32"));
    assertThrows(IllegalStateException.class, () -> mapped.get(ValueLayout.JAVA_FLOAT, 0));
    assertThrows(IllegalStateException.class, () -> writable.writeTo(bytes -> {}));
  }

  @Test
  void wrongCallsAreTold() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(GoldenFiles.copy("plain.pth", folder))) {
      assertThrows(NoSuchElementException.class, () -> checkpoint.info("absent"));
      IllegalArgumentException size =
          assertThrows(
              IllegalArgumentException.class,
              () -> checkpoint.readFloats("f32", MemorySegment.ofArray(new float[59])));
      assertTrue(size.getMessage().contains("'f32' needs 240 bytes"), size.getMessage());
      assertThrows(UnsupportedOperationException.class, () -> checkpoint.names().clear());
    }
  }

  @Test
  void whatIsNoCheckpointIsNamed() throws IOException {
    assertRefused(folder.resolve("absent.pth"), "no such file");
    assertRefused(Files.write(folder.resolve("empty.pth"), new byte[0]), "the file is empty");
    assertRefused(write("lfs.pth", "version https://git-lfs.github.com/spec/v1\n"), "Git LFS");
    assertRefused(write("page.pth", "<!DOCTYPE html><html></html>"), "web page");
    assertRefused(write("text.pth", "hello, this is text"), "neither a safetensors nor");
    assertRefused(write("short.pth", "abc"), "neither a safetensors nor");
    assertRefused(Files.createDirectory(folder.resolve("empty")), "has no model.safetensors");
  }

  @Test
  void folderOfHuggingFaceOpensItsWeights() throws IOException {
    Path model = Files.createDirectory(folder.resolve("Depth-Anything-Small-hf"));
    Files.write(model.resolve("model.safetensors"), GoldenFiles.bytes("plain.safetensors"));
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertEquals(model.resolve("model.safetensors"), checkpoint.path());
    }
  }

  private Path write(String name, String text) throws IOException {
    return Files.write(folder.resolve(name), text.getBytes(StandardCharsets.UTF_8));
  }

  private static void assertRefused(Path path, String reason) {
    CheckpointException refused =
        assertThrows(CheckpointException.class, () -> Checkpoint.open(path).close());
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
  }
}
