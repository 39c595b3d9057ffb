package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** torch.save files that no reference file covers: rare, damaged and hostile ones. */
class TorchFilesTest {
  @TempDir Path folder;

  @Test
  void bigEndianStoragesAreSwapped() throws IOException {
    byte[] pickle = dict().tensor("a", "0", 3, 0, 3, 1).tensor("b", "0", 3, 1, 2, 1).stop();
    byte[] data = ByteBuffer.allocate(12).putFloat(1).putFloat(-2.5f).putFloat(3e9f).array();
    Map<String, byte[]> entries = Map.of("data/0", data, "byteorder", ascii("big"));
    try (Checkpoint checkpoint = Checkpoint.open(archive(pickle, entries))) {
      assertArrayEquals(new float[] {1, -2.5f, 3e9f}, GoldenFiles.floats(checkpoint, "a"));
      assertArrayEquals(new float[] {-2.5f, 3e9f}, GoldenFiles.floats(checkpoint, "b"));
      assertTrue(checkpoint.mapped("a").isEmpty());
    }
    Map<String, byte[]> odd = Map.of("data/0", data, "byteorder", ascii("middle"));
    assertRefused(archive(pickle, odd), "its byteorder is neither little nor big");
  }

  @Test
  void untypedStoragesTakeTheTensorsType() throws IOException {
    byte[] pickle =
        dict()
            .text("a")
            .global("torch._utils", "_rebuild_tensor_v3")
            .op('(', '(')
            .text("storage")
            .global("torch.storage", "UntypedStorage")
            .text("0")
            .text("cpu")
            .integer(6)
            .op('t', 'Q')
            .integer(1)
            .integer(2)
            .op(0x85)
            .integer(1)
            .op(0x85)
            .op(0x89)
            .global("collections", "OrderedDict")
            .op(')', 'R')
            .global("torch", "uint16")
            .op('t', 'R', 's')
            .stop();
    byte[] data = {9, 9, 1, 0, -1, -1};
    try (Checkpoint checkpoint = Checkpoint.open(archive(pickle, Map.of("data/0", data)))) {
      assertEquals(TensorInfo.of("a", DType.U16, 2), checkpoint.info("a"));
      assertArrayEquals(new float[] {1, 65535}, GoldenFiles.floats(checkpoint, "a"));
    }
  }

  @Test
  void anExpandedTensorRepeatsItsElement() throws IOException {
    byte[] pickle = dict().tensor("a", "0", 1, 0, 5, 0).stop();
    try (Checkpoint checkpoint = Checkpoint.open(archive(pickle, floats("0", 7)))) {
      assertArrayEquals(new float[] {7, 7, 7, 7, 7}, GoldenFiles.floats(checkpoint, "a"));
      assertTrue(checkpoint.mapped("a").isEmpty());
    }
    byte[] huge = dict().tensor("a", "0", 1, 0, Integer.MAX_VALUE, 0).stop();
    assertRefused(archive(huge, floats("0", 7)), "expands 1 elements to shape [2147483647]");
  }

  @Test
  void otherEntriesOfATrainingCheckpointAreIgnored() throws IOException {
    Pickle pickle = dict().text("epoch").integer(7).op('s');
    pickle
        .text("optimizer")
        .op('}')
        .text("state")
        .op('}')
        .integer(0)
        .text("step")
        .op('s', 's', 's');
    pickle.text("lr").op('G', 0, 0, 0, 0, 0, 0, 0, 0, 's');
    pickle.text("best").op('N', 's').text("args").op(']', '(').text("x").op(0x88, 'e', 's');
    pickle.text("state_dict").op('}').tensor("a", "0", 1, 0, 1, 1).op('s');
    try (Checkpoint checkpoint = Checkpoint.open(archive(pickle.stop(), floats("0", 3)))) {
      assertEquals(Set.of("a"), checkpoint.names());
    }
  }

  @Test
  void weightsUnderAnUnusualKeyAreFoundIfTheyAreAlone() throws IOException {
    Pickle one = dict().text("ema").op('}').tensor("a", "0", 1, 0, 1, 1).op('s');
    try (Checkpoint checkpoint = Checkpoint.open(archive(one.stop(), floats("0", 3)))) {
      assertEquals(Set.of("a"), checkpoint.names());
    }
    Pickle two = dict().text("ema").op('}').tensor("a", "0", 1, 0, 1, 1).op('s');
    two.text("student").op('}').tensor("a", "0", 1, 0, 1, 1).op('s');
    assertRefused(archive(two.stop(), floats("0", 3)), "under 'ema' and under 'student'");
    assertRefused(archive(dict().stop(), Map.of()), "holds no named tensors");
    assertRefused(archive(new Pickle().integer(1).stop(), Map.of()), "other than a dict");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 4, 5, 1, leaves its storage of 4 elements",
    "3, 4, 2, 1, leaves its storage of 4 elements",
    "0, 4, 3, 2, leaves its storage of 4 elements",
    "-1, 4, 1, 1, ill-formed view",
    "0, 4, -1, 1, negative size or stride",
    "0, 4, 2, -1, negative size or stride",
    "0, 5, 1, 1, has 16 bytes where 5 elements of 4 bytes should be",
  })
  void viewsOutsideTheirStorageAreRefused(
      int offset, int elements, int size, int stride, String reason) throws IOException {
    byte[] pickle = dict().tensor("a", "0", elements, offset, size, stride).stop();
    assertRefused(archive(pickle, floats("0", 1, 2, 3, 4)), reason);
  }

  @Test
  void missingAndCompressedEntriesAreNamed() throws IOException {
    byte[] pickle = dict().tensor("a", "0", 1, 0, 1, 1).stop();
    assertRefused(
        archive(pickle, Map.of()), "tensor 'a' lies in 'data/0', which the archive lacks");
    assertRefused(
        archive(pickle, Map.of("constants.pkl", new byte[1])), "it is a TorchScript program");
    assertRefused(
        archive(pickle, Map.of("other/data.pkl", new byte[1])), "has both 'archive/data.pkl' and");
    Path file = folder.resolve("compressed.pth");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      zip.putNextEntry(new ZipEntry("archive/data.pkl"));
      zip.write(pickle);
    }
    assertRefused(file, "'archive/data.pkl' is compressed");
    Path other = folder.resolve("other.zip");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(other))) {
      zip.putNextEntry(new ZipEntry("folder/"));
    }
    assertRefused(other, "no torch.save file");
  }

  /** Each names a function that must not even be looked for. */
  @ParameterizedTest
  @CsvSource({
    "os, system",
    "builtins, eval",
    "builtins, getattr",
    "numpy.core.multiarray, scalar",
    "torch, load",
    "torch.storage, _load_from_bytes",
    "torch.nn.modules.linear, Linear"
  })
  void otherGlobalsAreNamed(String module, String name) throws IOException {
    byte[] byOpcode = new Pickle().global(module, name).op(')', 'R').stop();
    assertRefused(archive(byOpcode, Map.of()), "refers to '" + module + "." + name + "'");
    byte[] byStack = new Pickle().text(module).text(name).op(0x93, ')', 'R').stop();
    assertRefused(archive(byStack, Map.of()), "refers to '" + module + "." + name + "'");
  }

  @ParameterizedTest
  @ValueSource(chars = {'i', 'o', 0x81, 0x92, 'P', 'I', 'S', 0x82, 0x97})
  void otherInstructionsAreRefused(char opcode) throws IOException {
    byte[] pickle = new Pickle().op('}', '(', opcode).ascii("x\ny\n").stop();
    assertRefused(archive(pickle, Map.of()), "has the instruction 0x");
  }

  @Test
  void callsWithOddArgumentsAreRefused() throws IOException {
    for (String function :
        List.of(
            "torch._utils _rebuild_tensor_v2",
            "torch._utils _rebuild_tensor_v3",
            "torch._utils _rebuild_parameter",
            "torch._tensor _rebuild_from_type_v2",
            "torch Size")) {
      String[] parts = function.split(" ", -1);
      byte[] pickle = new Pickle().global(parts[0], parts[1]).op(')', 'R').stop();
      assertRefused(archive(pickle, Map.of()), "with unexpected arguments");
    }
    byte[] storage = new Pickle().global("torch", "FloatStorage").op(')', 'R').stop();
    assertRefused(archive(storage, Map.of()), "calls 'torch.FloatStorage'");
    byte[] build = new Pickle().op('}').integer(1).op('N', 'b').stop();
    assertRefused(archive(build, Map.of()), "sets attributes of something that is not a dict");
  }

  /** A million nested or doubled containers: depth costs no stack and sharing no copies. */
  @Test
  void nestingAndSharingCostNothing() {
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          Pickle deep = new Pickle();
          deep.op(')');
          for (int i = 0; i < 900_000; i++) {
            deep.op(0x85);
          }
          assertRefused(archive(deep.stop(), Map.of()), "other than a dict");

          Pickle doubling = dict().text("a").op('N');
          for (int i = 0; i < 100_000; i++) {
            doubling.op('2', 0x86);
          }
          assertRefused(archive(doubling.op('s').stop(), Map.of()), "no named tensors");

          Pickle nested = dict();
          for (int i = 0; i < 10_000; i++) {
            nested.text("model").op('}');
          }
          for (int i = 0; i < 10_000; i++) {
            nested.op('s');
          }
          assertRefused(archive(nested.stop(), Map.of()), "no named tensors");
        });
  }

  @Test
  void copiesAreBounded() throws IOException {
    Pickle pickle = new Pickle().op(']', '(');
    for (int i = 0; i < 50_000; i++) {
      pickle.op('N', 'N', 0x86);
    }
    pickle.op('e', 0x85, 'q', 1, '0');
    for (int i = 0; i < 1000; i++) {
      pickle.global("collections", "OrderedDict").op('h', 1, 'R', '0');
    }
    assertRefused(archive(pickle.op('N').stop(), Map.of()), "copies too many items");
  }

  @Test
  void instructionsAndTextsAreBounded() throws IOException {
    Pickle many = new Pickle();
    for (int i = 0; i <= PickleReader.MAX_INSTRUCTIONS; i++) {
      many.op('N');
    }
    assertRefused(archive(many.stop(), Map.of()), "has more than 1000000 instructions");
    byte[] text = new Pickle().op('X', 0xff, 0xff, 0xff, 0xff).stop();
    assertRefused(archive(text, Map.of()), "has a text of 4294967295 bytes");
    byte[] line = new Pickle().op('c').ascii("x".repeat(5000)).stop();
    assertRefused(archive(line, Map.of()), "has a line that does not end");
  }

  @Test
  void legacyStoragesMayBePartsOfOthers() throws IOException {
    Pickle object = dict().text("a").global("torch._utils", "_rebuild_tensor").op('(', '(');
    object.text("storage").global("torch", "FloatStorage").text("root").text("cpu").integer(6);
    object.op('(').text("part").integer(2).integer(4).op('t', 't', 'Q');
    object.integer(1).integer(3).op(0x85).integer(1).op(0x85, 't', 'R', 's');
    byte[] pickle = object.stop();
    ByteBuffer data = ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN).putLong(6);
    for (int i = 0; i < 6; i++) {
      data.putFloat(i);
    }
    Path file = legacy(pickle, "root", data.array());
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertEquals(Checkpoint.Format.TORCH_LEGACY, checkpoint.format());
      assertArrayEquals(new float[] {3, 4, 5}, GoldenFiles.floats(checkpoint, "a"));
    }
    assertRefused(legacy(pickle, "other", data.array()), "no tensor uses storage 'other'");
    data.putLong(0, Long.MAX_VALUE);
    assertRefused(legacy(pickle, "root", data.array()), "the file is truncated");
  }

  /** A storage behind a hole of five gigabytes, which takes no room on the disk. */
  @Test
  void archivesBeyondFourGigabytes() throws IOException {
    byte[] pickle = dict().tensor("a", "0", 2, 0, 2, 1).stop();
    Path file = folder.resolve("large.pth");
    long far = 5L << 30;
    try (FileChannel out =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            StandardOpenOption.SPARSE)) {
      byte[] data = floats("0", 1.5f, -2).getOrDefault("data/0", new byte[0]);
      out.write(local("archive/data.pkl", pickle), 0);
      out.write(local("archive/data/0", data), far);
      long directory = far + 200;
      ByteBuffer central = ByteBuffer.allocate(1000).order(ByteOrder.LITTLE_ENDIAN);
      central(central, "archive/data.pkl", pickle.length, 0);
      central(central, "archive/data/0", data.length, far);
      int size = central.position();
      central.putInt(ZipDirectory.END64).putLong(44).putShort((short) 45).putShort((short) 45);
      central.putInt(0).putInt(0).putLong(2).putLong(2).putLong(size).putLong(directory);
      central.putInt(ZipDirectory.LOCATOR64).putInt(0).putLong(directory + size).putInt(1);
      central.putInt(ZipDirectory.END).putInt(0).putShort((short) -1).putShort((short) -1);
      central.putInt(-1).putInt(-1).putShort((short) 0);
      out.write(central.flip(), directory);
    }
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertArrayEquals(new float[] {1.5f, -2}, GoldenFiles.floats(checkpoint, "a"));
    }
  }

  private static ByteBuffer local(String name, byte[] contents) {
    ByteBuffer out =
        ByteBuffer.allocate(30 + name.length() + contents.length).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(ZipDirectory.LOCAL).position(26);
    out.putShort((short) name.length()).putShort((short) 0).put(ascii(name)).put(contents);
    return out.flip();
  }

  private static void central(ByteBuffer out, String name, int size, long offset) {
    out.putInt(ZipDirectory.CENTRAL).put(new byte[16]).putInt(size).putInt(size);
    out.putShort((short) name.length()).putShort((short) 12).put(new byte[10]).putInt(-1);
    out.put(ascii(name));
    out.putShort((short) ZipDirectory.ZIP64_EXTRA).putShort((short) 8).putLong(offset);
  }

  private Path legacy(byte[] object, String key, byte[] data) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(Arrays.copyOf(GoldenFiles.bytes("legacy.pth"), 15));
    out.writeBytes(new Pickle().integer(1001).stop());
    out.writeBytes(new Pickle().op('}').stop());
    out.writeBytes(object);
    out.writeBytes(new Pickle().op(']').text(key).op('a').stop());
    out.writeBytes(data);
    return Files.write(folder.resolve("legacy.pth"), out.toByteArray());
  }

  private static Pickle dict() {
    return new Pickle().op('}');
  }

  private static Map<String, byte[]> floats(String key, float... values) {
    ByteBuffer data = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      data.putFloat(value);
    }
    return Map.of("data/" + key, data.array());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private Path archive(byte[] pickle, Map<String, byte[]> entries) throws IOException {
    return Pickle.archive(folder.resolve("file.pth"), pickle, entries);
  }

  private static void assertRefused(Path file, String reason) {
    CheckpointException refused =
        assertThrows(CheckpointException.class, () -> Checkpoint.open(file).close());
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
    assertEquals(1, refused.getMessage().lines().count());
  }
}
