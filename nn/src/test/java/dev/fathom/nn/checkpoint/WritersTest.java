package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WritersTest {
  private static final Map<String, String> METADATA =
      Map.of("fathom.release", "v2", "odd \"key\"\n", "tab\tand é and \\ and \uD83D\uDE00");

  @TempDir Path folder;

  /** The two writers, so that one test body holds for both. */
  enum Writer {
    SAFETENSORS,
    TORCH,
    TORCH_ZIP64;

    void write(Path target, List<WritableTensor> tensors, Map<String, String> metadata)
        throws IOException {
      switch (this) {
        case SAFETENSORS -> SafeTensorsWriter.write(target, tensors, metadata);
        case TORCH -> TorchWriter.write(target, tensors, metadata);
        case TORCH_ZIP64 ->
            AtomicFile.write(target, out -> TorchWriter.write(out, tensors, metadata, 100));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatIsWrittenIsReadBack(Writer writer) throws IOException {
    Path target = folder.resolve("out");
    try (Checkpoint source = Checkpoint.open(GoldenFiles.copy("plain.pth", folder))) {
      writer.write(target, all(source), METADATA);
      try (Checkpoint copy = Checkpoint.open(target)) {
        assertEquals(METADATA, copy.metadata());
        assertEquals(source.names(), new HashSet<>(copy.names()));
        for (String name : source.names()) {
          assertEquals(source.info(name), copy.info(name));
          assertArrayEquals(GoldenFiles.floats(source, name), GoldenFiles.floats(copy, name), name);
          boolean floats = copy.info(name).dtype() == DType.F32;
          assertEquals(floats, copy.mapped(name).isPresent(), name + " is aligned");
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void failureLeavesTheOlderFileAndNothingElse(Writer writer) throws IOException {
    Path target = Files.writeString(folder.resolve("out"), "older");
    WritableTensor good = WritableTensor.floats("a", MemorySegment.ofArray(new float[6]), 2, 3);
    WritableTensor failing =
        tensor(
            "b",
            sink -> {
              sink.write(MemorySegment.ofArray(new float[100]));
              throw new IOException("No space left on device");
            });
    IOException thrown =
        assertThrows(
            IOException.class, () -> writer.write(target, List.of(good, failing), Map.of()));
    assertTrue(
        thrown.getMessage().equals(target + ": cannot be written: No space left on device"),
        thrown.getMessage());
    assertEquals("older", Files.readString(target));
    assertOnlyFile(target);
  }

  @ParameterizedTest
  @EnumSource
  void aTensorThatGivesTooFewBytesIsAnError(Writer writer) throws IOException {
    Path target = folder.resolve("out");
    WritableTensor broken = tensor("b", sink -> sink.write(MemorySegment.ofArray(new float[99])));
    assertThrows(
        IllegalStateException.class, () -> writer.write(target, List.of(broken), Map.of()));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(0, files.count());
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoTensorsOfOneNameAreAnError(Writer writer) {
    WritableTensor one = WritableTensor.floats("a", MemorySegment.ofArray(new float[1]), 1);
    assertThrows(
        IllegalArgumentException.class,
        () -> writer.write(folder.resolve("out"), List.of(one, one), Map.of()));
  }

  @ParameterizedTest
  @EnumSource
  void noTensorsAndNoMetadataIsAFileToo(Writer writer) throws IOException {
    Path target = folder.resolve("out");
    writer.write(target, List.of(), Map.of());
    if (writer == Writer.SAFETENSORS) {
      try (Checkpoint checkpoint = Checkpoint.open(target)) {
        assertTrue(checkpoint.names().isEmpty());
      }
    }
  }

  @Test
  void aFullDiskIsAnIoException() throws IOException {
    Path full = Path.of("/dev/full");
    assumeTrue(Files.exists(full), "needs /dev/full");
    WritableTensor tensor =
        WritableTensor.floats("a", MemorySegment.ofArray(new float[1000]), 1000);
    try (FileChannel out = FileChannel.open(full, StandardOpenOption.WRITE)) {
      assertThrows(
          IOException.class, () -> SafeTensorsWriter.write(out, List.of(tensor), Map.of()));
    }
  }

  @Test
  void devicesAndMissingFoldersAreNotReplaced() {
    WritableTensor tensor = WritableTensor.floats("a", MemorySegment.ofArray(new float[1]), 1);
    IOException device =
        assertThrows(
            IOException.class,
            () -> SafeTensorsWriter.write(Path.of("/dev/null"), List.of(tensor), Map.of()));
    assertTrue(device.getMessage().contains("not a regular file"), device.getMessage());
    Path absent = folder.resolve("absent").resolve("out");
    IOException missing =
        assertThrows(
            IOException.class, () -> SafeTensorsWriter.write(absent, List.of(tensor), Map.of()));
    assertTrue(missing.getMessage().contains("there is no folder"), missing.getMessage());
  }

  @Test
  void aReadOnlyFolderIsAnError() throws IOException {
    Path locked = Files.createDirectory(folder.resolve("locked"));
    assumeTrue(locked.toFile().setWritable(false));
    assumeTrue(!Files.isWritable(locked), "the superuser writes anywhere");
    WritableTensor tensor = WritableTensor.floats("a", MemorySegment.ofArray(new float[1]), 1);
    IOException thrown =
        assertThrows(
            IOException.class,
            () -> SafeTensorsWriter.write(locked.resolve("out"), List.of(tensor), Map.of()));
    assertTrue(thrown.getMessage().contains("no permission"), thrown.getMessage());
  }

  @Test
  void typesWithoutAStorageAreRefusedByTorchOnly() throws IOException {
    TensorInfo info = TensorInfo.of("u16", DType.U16, 2);
    WritableTensor tensor =
        WritableTensor.of(info, MemorySegment.ofArray(new byte[] {1, 0, -1, -1}));
    Path target = folder.resolve("out");
    assertThrows(
        IllegalArgumentException.class, () -> TorchWriter.write(target, List.of(tensor), Map.of()));
    SafeTensorsWriter.write(target, List.of(tensor), Map.of());
    try (Checkpoint checkpoint = Checkpoint.open(target)) {
      assertArrayEquals(new float[] {1, 65535}, GoldenFiles.floats(checkpoint, "u16"));
    }
  }

  private static List<WritableTensor> all(Checkpoint checkpoint) {
    List<WritableTensor> tensors = new ArrayList<>();
    checkpoint.names().forEach(name -> tensors.add(checkpoint.writable(name)));
    return tensors;
  }

  private interface Writing {
    void to(WritableTensor.Sink sink) throws IOException;
  }

  /** A float32 tensor of 100 elements. */
  private static WritableTensor tensor(String name, Writing writing) {
    return new WritableTensor() {
      @Override
      public TensorInfo info() {
        return TensorInfo.of(name, DType.F32, 100);
      }

      @Override
      public void writeTo(Sink sink) throws IOException {
        writing.to(sink);
      }
    };
  }

  private void assertOnlyFile(Path file) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
  }
}
