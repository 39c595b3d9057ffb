package dev.fathom.training.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Shards read and written. */
class TarShardsTest {

  private static final byte[] DEPTH = Fixtures.grey16(4, 2, (x, y) -> 7);
  private static final String POSIX = "ustar\0" + "00";
  private static final String GNU = "ustar  \0";
  private static final byte[] END = new byte[1024];

  @TempDir Path folder;

  private static byte[] picture(int mark) {
    return Fixtures.picture(4, 2, mark);
  }

  private String problem(byte[] shard) {
    Path file = Fixtures.write(folder, "x.tar", shard);
    String message =
        assertThrows(UserException.class, () -> DataSets.open(DataSpec.of(file))).getMessage();
    assertTrue(message.startsWith(file + ": "), message);
    return message;
  }

  @Test
  void membersOfAKeyAreOneSample() throws Exception {
    Path shard =
        Fixtures.write(
            folder,
            "train-0.tar",
            Fixtures.tar(
                "b.png",
                picture(1),
                "b.depth.png",
                DEPTH,
                "dir.x/a.png",
                picture(2),
                "dir.x/a.depth.png",
                DEPTH,
                "c.png",
                picture(3),
                "c.json",
                new byte[] {1}));
    DataSet pictures = DataSets.open(DataSpec.of(shard));
    assertEquals(3, pictures.size());
    assertEquals("train-0/dir.x/a", pictures.id(1));
    assertEquals(3, Fixtures.mark(pictures.read(2)));
    assertNull(pictures.read(0).truth());
    DataSet pairs = DataSets.open(DataSpec.of(shard).withPatterns(null, "{id}.depth.png"));
    assertEquals(2, pairs.size());
    assertEquals(7, pairs.read(1).truth().values()[0]);
    assertEquals(2, Fixtures.mark(pairs.read(1)));
  }

  @Test
  void rangeGlobAndFolderOfShards() throws Exception {
    for (int i = 8; i < 12; i++) {
      Fixtures.write(folder, "t-%03d.tar".formatted(i), Fixtures.tar("k.png", picture(i)));
    }
    DataSet range = DataSets.open(DataSpec.of(folder + "/t-{008..010}.tar"));
    assertEquals(3, range.size());
    assertEquals("t-010/k", range.id(2));
    assertEquals(4, DataSets.open(DataSpec.of(folder + "/t-*.tar")).size());
    assertEquals(11, Fixtures.mark(DataSets.open(DataSpec.of(folder)).read(3)));
    assertEquals(2, DataSets.open(DataSpec.of(folder + "/t-0{11,08}.tar")).size());
    UserException missing =
        assertThrows(
            UserException.class, () -> DataSets.open(DataSpec.of(folder + "/t-{008..012}.tar")));
    assertEquals(folder + "/t-012.tar: no such shard", missing.getMessage());
    assertThrows(UserException.class, () -> DataSets.open(DataSpec.of(folder + "/u-*.tar")));
    assertThrows(UserException.class, () -> Shards.expand("{0..999999999}"));
    assertThrows(UserException.class, () -> Shards.expand("{0..9999}{0..9999}"));
  }

  @Test
  void longNamesOfAllKinds() {
    String name = "d/" + "long-name-".repeat(14) + "é.png";
    byte[] nameBytes = name.getBytes(StandardCharsets.UTF_8);
    byte[] picture = picture(5);
    String size = "%011o".formatted(picture.length);
    byte[] gnu =
        Fixtures.concat(
            Fixtures.tarHeader("././@LongLink", 'L', "%011o".formatted(nameBytes.length + 1), GNU),
            Fixtures.padded(Arrays.copyOf(nameBytes, nameBytes.length + 1)),
            Fixtures.tarHeader("d/long", '0', size, GNU),
            Fixtures.padded(picture),
            END);
    byte[] prefixed = Fixtures.tarHeader("name.png", '0', size, POSIX);
    Fixtures.put(prefixed, 345, "some/folder");
    byte[] ustar = Fixtures.concat(Fixtures.withCheckSum(prefixed), Fixtures.padded(picture), END);
    assertEquals(name, member(gnu));
    assertEquals(name, member(Fixtures.tar(name, picture)));
    assertEquals("some/folder/name.png", member(ustar));
  }

  private String member(byte[] tar) {
    List<Part> members = TarReader.members(Fixtures.write(folder, "n.tar", tar));
    assertEquals(1, members.size());
    return members.getFirst().name();
  }

  @Test
  void otherKindsOfMembersAreLeftOut() {
    byte[] tar =
        Fixtures.concat(
            Fixtures.tarHeader("dir/", '5', "00000000000", POSIX),
            Fixtures.tarHeader("link.png", '2', "00000000000", POSIX),
            Fixtures.tar("._a.png", picture(1), "./a.png", picture(2)));
    assertEquals("a.png", member(tar));
    // Without the two zero blocks at the end, as some writers leave it.
    assertEquals("a.png", member(Arrays.copyOf(tar, tar.length - 1024)));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100, 511, 513, 600, 1023})
  void cutOffShardIsTold(int bytes) {
    byte[] whole = Fixtures.tar("a.png", new byte[700]);
    assertTrue(
        problem(Arrays.copyOf(whole, bytes)).contains(bytes < 512 ? "not a tar" : "cut off"));
    byte[] second = Fixtures.tar("a.png", picture(1), "b.png", picture(2));
    int at = 512 + (picture(1).length + 511) / 512 * 512;
    assertTrue(problem(Arrays.copyOf(second, at + bytes)).contains("cut off"));
  }

  @Test
  void damagedShardsAreTold() {
    byte[] tar = Fixtures.tar("a.png", picture(1), "b.png", picture(2));
    byte[] broken = tar.clone();
    broken[512 + (picture(1).length + 511) / 512 * 512] ^= 1;
    assertTrue(problem(broken).contains("the shard is damaged: no member begins at byte"));
    assertTrue(
        problem("no archive".repeat(200).getBytes(StandardCharsets.US_ASCII))
            .contains("not a tar archive"));
    byte[] gzip = new byte[2000];
    gzip[0] = 0x1f;
    gzip[1] = (byte) 0x8b;
    assertTrue(problem(gzip).contains("compressed"));
    assertTrue(problem(END).contains("no picture in it"));
    assertTrue(problem(new byte[0]).contains("no picture in it"));
    assertTrue(problem(Fixtures.tar("a.png", picture(1), "a.png", picture(1))).contains("both"));
  }

  @Test
  void hugeClaimsCostNothing() {
    byte[] octal = Fixtures.tarHeader("a.png", '0', "77777777777", POSIX);
    assertTrue(problem(octal).contains("cut off"));
    byte[] base256 = Fixtures.tarHeader("a.png", '0', "", POSIX);
    base256[124] = (byte) 0x80;
    Arrays.fill(base256, 128, 136, (byte) 0x7f);
    assertTrue(problem(Fixtures.withCheckSum(base256)).contains("cut off"));
    Arrays.fill(base256, 125, 136, (byte) 0xff);
    assertTrue(problem(Fixtures.withCheckSum(base256)).contains("out of range"));
    byte[] name = Fixtures.tarHeader("x", 'L', "%011o".formatted(2 << 20), GNU);
    assertTrue(problem(Fixtures.concat(name, new byte[2 << 20], END)).contains("too long"));
    byte[] pax = Fixtures.tarHeader("x", 'x', "00000000020", POSIX);
    byte[] record = "9999999 path=x\n".getBytes(StandardCharsets.US_ASCII);
    assertTrue(
        problem(Fixtures.concat(pax, Fixtures.padded(record))).contains("broken extended header"));
  }

  @Test
  void memberThatIsDamagedIsABadSample() {
    Path shard = Fixtures.write(folder, "s.tar", Fixtures.tar("a.png", new byte[] {1, 2, 3}));
    DataSet set = DataSets.open(DataSpec.of(shard));
    String message = assertThrows(BadSampleException.class, () -> set.read(0)).getMessage();
    assertTrue(message.startsWith(shard.resolve("a.png") + ": "), message);
  }

  private static float[] disparity(int mark) {
    return new float[] {0, mark, 2 * mark, 4 * mark};
  }

  private void append(ShardWriter shards, int from, int to) throws IOException {
    for (int i = from; i < to; i++) {
      shards.append("p." + i, picture(i), "png", disparity(i + 1), 2, 2);
    }
  }

  @Test
  void stoppedAndResumedShardsAreTheSameBytes() throws Exception {
    Path once = folder.resolve("once");
    try (ShardWriter shards = ShardWriter.open(once, 3)) {
      append(shards, 0, 8);
      assertEquals(8, shards.written());
      shards.finish();
    }
    Path twice = folder.resolve("twice");
    try (ShardWriter shards = ShardWriter.open(twice, 3)) {
      append(shards, 0, 5);
    }
    Files.writeString(twice.resolve("shard-000001.tar.part"), "left by a killed run");
    Files.writeString(twice.resolve("shard-000001.tar"), "not listed yet");
    try (ShardWriter shards = ShardWriter.open(twice, 3)) {
      assertEquals(3, shards.written());
      assertEquals("p.2", shards.lastId());
      append(shards, 3, 8);
      shards.finish();
    }
    try (var files = Files.list(once)) {
      List<Path> all = files.sorted().toList();
      assertEquals(4, all.size());
      for (Path file : all) {
        assertEquals(-1, Files.mismatch(file, twice.resolve(file.getFileName())), file.toString());
      }
    }
    assertFalse(Files.exists(twice.resolve("shard-000001.tar.part")));
  }

  @Test
  void bytesBoundAShard() throws Exception {
    try (ShardWriter shards = ShardWriter.open(folder, 100, 3000)) {
      append(shards, 0, 4);
      shards.finish();
    }
    assertTrue(Files.exists(folder.resolve("shard-000001.tar")));
    assertEquals(4, DataSets.open(DataSpec.of(folder)).size());
  }

  @Test
  void disparitiesThatAreNoneAreRefused() throws Exception {
    try (ShardWriter shards = ShardWriter.open(folder, 2)) {
      float[] bad = {1, Float.NaN};
      assertThrows(IllegalArgumentException.class, () -> shards.append("a", bad, 2, 1));
      float[] negative = {1, -1};
      assertThrows(IllegalArgumentException.class, () -> shards.append("a", negative, 2, 1));
      shards.append("flat", new float[2], 2, 1);
      assertEquals(1, shards.written());
    }
  }

  @Test
  void shardsThatChangedAreRefused() throws Exception {
    try (ShardWriter shards = ShardWriter.open(folder, 1)) {
      append(shards, 0, 2);
    }
    Files.write(folder.resolve("shard-000000.tar"), new byte[10]);
    assertThrows(UserException.class, () -> ShardWriter.open(folder, 1));
    Files.delete(folder.resolve("shard-000000.tar"));
    assertThrows(UserException.class, () -> ShardWriter.open(folder, 1));
  }

  @Test
  void pseudoLabelsGoWithTheirPictures() throws Exception {
    Path pictures = folder.resolve("pictures");
    for (int i = 0; i < 4; i++) {
      Fixtures.write(pictures, "sub/p." + i + ".png", Fixtures.picture(2, 2, i));
    }
    Path labels = folder.resolve("labels");
    try (ShardWriter shards = ShardWriter.open(labels, 2)) {
      for (int i : new int[] {2, 0, 3}) {
        shards.append("sub/p." + i, disparity(i + 1), 2, 2);
      }
      shards.finish();
    }
    PseudoLabelSet set = PseudoLabelSet.open(FolderDataSet.open(pictures), labels);
    assertEquals(3, set.size());
    assertEquals(1, set.missing());
    assertEquals("sub/p.2", set.id(1));
    Sample sample = set.read(1);
    assertEquals(2, Fixtures.mark(sample));
    assertEquals(GroundTruth.Kind.DISPARITY, sample.truth().kind());
    assertArrayEquals(new float[] {0, .25f, .5f, 1}, sample.truth().values(), 1f / 65535);
    Files.delete(pictures.resolve("sub/p.3.png"));
    String message =
        assertThrows(
                UserException.class,
                () -> PseudoLabelSet.open(FolderDataSet.open(pictures), labels))
            .getMessage();
    assertTrue(message.contains("'sub/p.3', which is not in " + pictures), message);
    assertThrows(
        UserException.class,
        () -> PseudoLabelSet.open(FolderDataSet.open(pictures), folder.resolve("none")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "a.b/c.d", "100%", "%2E", "é/ü.x", ".hidden", "tab\there"})
  void idsSurviveAsKeys(String id) {
    String key = ShardKeys.key(id);
    assertFalse(key.contains("."));
    assertEquals(id, ShardKeys.id(key));
  }
}
