package dev.fathom.training.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.RgbImage;
import dev.fathom.training.UserException;
import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The sequence of samples, its end, and what is held on the way. */
@Timeout(60)
class PrefetcherTest {

  private static final long SEED = 42;
  private static final int PIXELS = 1000;

  @TempDir Path folder;

  /** Samples in memory, some of them bad. */
  private static final class MadeSet implements DataSet {
    private final int size;
    private final Set<Integer> bad;
    final AtomicInteger reads = new AtomicInteger();

    MadeSet(int size, Integer... bad) {
      this.size = size;
      this.bad = Set.of(bad);
    }

    @Override
    public String name() {
      return "made";
    }

    @Override
    public int size() {
      return size;
    }

    @Override
    public String id(int index) {
      return "s" + index;
    }

    @SuppressWarnings("ThreadPriorityCheck") // nothing relies on it: it only stirs the threads
    @Override
    public Sample read(int index) throws BadSampleException {
      reads.incrementAndGet();
      if (bad.contains(index)) {
        throw new BadSampleException(Path.of("f" + index), "broken", null);
      }
      // Some take longer than others, so that threads overtake each other.
      if (index % 3 == 0) {
        Thread.yield();
      }
      return new Sample(id(index), new RgbImage(PIXELS, 1, new byte[3 * PIXELS]), null, null);
    }
  }

  private static List<Integer> indices(DataSet set, long from, int count, LoaderSettings settings)
      throws InterruptedException {
    List<Integer> indices = new ArrayList<>();
    try (Prefetcher loader = Prefetcher.start(set, SEED, from, settings)) {
      for (int i = 0; i < count; i++) {
        Prefetcher.Item item = loader.next();
        if (item == null) {
          break;
        }
        assertEquals("s" + item.index(), item.sample().id());
        indices.add(item.index());
      }
    }
    return indices;
  }

  /** The sequence by its definition. */
  private static List<Integer> expected(int n, Set<Integer> bad, long from, int count) {
    List<Integer> indices = new ArrayList<>();
    for (long p = from; p < from + count; p++) {
      int[] order = new Philox(SEED, Purpose.SHUFFLE, (int) (p / n), 0).permutation(n);
      int place = (int) (p % n);
      while (bad.contains(order[place])) {
        place = (place + 1) % n;
      }
      indices.add(order[place]);
    }
    return indices;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void anyNumberOfThreadsFromAnyPositionGivesTheSequence(int workers) throws Exception {
    Set<Integer> bad = Set.of(3, 4, 17);
    LoaderSettings settings = LoaderSettings.shuffled(workers);
    for (long from : new long[] {0, 1, 19, 20, 57, 1_000_003}) {
      assertEquals(
          expected(20, bad, from, 70),
          indices(new MadeSet(20, 3, 4, 17), from, 70, settings.withMemory(20_000)));
    }
  }

  @Test
  void everyEpochHasEverySampleInAnotherOrder() throws Exception {
    List<Integer> two = indices(new MadeSet(30), 0, 60, LoaderSettings.shuffled(3));
    assertEquals(30, new HashSet<>(two.subList(0, 30)).size());
    assertEquals(30, new HashSet<>(two.subList(30, 60)).size());
    assertNotEquals(two.subList(0, 30), two.subList(30, 60));
  }

  @Test
  void startInTheMiddleReadsNothingBefore() throws Exception {
    MadeSet set = new MadeSet(100);
    LoaderSettings settings = LoaderSettings.shuffled(2).withEnd(95);
    assertEquals(expected(100, Set.of(), 90, 5), indices(set, 90, 99, settings));
    assertEquals(5, set.reads.get());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void inOrderLeavesBadOnesOut(int workers) throws Exception {
    MadeSet set = new MadeSet(8, 0, 3, 7);
    try (Prefetcher loader = Prefetcher.start(set, SEED, 0, LoaderSettings.inOrder(workers))) {
      List<Integer> seen = new ArrayList<>();
      for (Prefetcher.Item item = loader.next(); item != null; item = loader.next()) {
        assertEquals(item.position(), item.index());
        seen.add(item.index());
      }
      assertEquals(List.of(1, 2, 4, 5, 6), seen);
      assertNull(loader.next());
      assertEquals(3, loader.statistics().bad());
      assertEquals(5, loader.statistics().samples());
    }
  }

  @Test
  void oneSampleIsEnough() throws Exception {
    assertEquals(List.of(0, 0, 0), indices(new MadeSet(1), 0, 3, LoaderSettings.shuffled(4)));
  }

  @Test
  void emptySetIsRefused() {
    UserException refused =
        assertThrows(
            UserException.class,
            () -> Prefetcher.start(new MadeSet(0), 1, 0, LoaderSettings.shuffled(1)));
    assertEquals("made: the data set is empty", refused.getMessage());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void tooManyBadOnesEndTheRunAtTheSamePosition(int workers) throws Exception {
    // 100 samples: 10 may be bad, the eleventh ends the run.
    Integer[] bad = new Integer[11];
    Set<Integer> badSet = new HashSet<>();
    for (int i = 0; i < bad.length; i++) {
      bad[i] = 9 * i;
      badSet.add(9 * i);
    }
    int[] order = new Philox(SEED, Purpose.SHUFFLE, 0, 0).permutation(100);
    int met = 0;
    int end = 0;
    while (met < 11) {
      met += badSet.contains(order[end++]) ? 1 : 0;
    }
    // The positions before a run of bad ones reach into it.
    int first = 0;
    while (!badSet.contains(order[first])) {
      first++;
    }
    Path list = folder.resolve("bad-samples.tsv");
    LoaderSettings settings = LoaderSettings.shuffled(workers).withBad(0.01, list);
    int good = 0;
    UserException stop = null;
    try (Prefetcher loader = Prefetcher.start(new MadeSet(100, bad), SEED, 0, settings)) {
      while (stop == null) {
        try {
          assertNotNull(loader.next());
          good++;
        } catch (UserException e) {
          stop = e;
        }
      }
      assertThrows(UserException.class, loader::next);
    }
    assertTrue(
        stop.getMessage()
            .startsWith(
                "made: 11 of 100 samples are bad so far (11.0 %; at most 10 may be); the first: f"
                    + order[first]
                    + ": broken"),
        stop.getMessage());
    assertTrue(good < end && good >= end - 11, good + " of " + end);
    assertEquals(12, Files.readAllLines(list).size());
    assertThrows(
        UserException.class,
        () -> Prefetcher.start(new MadeSet(100, bad), SEED, 0, settings).close());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 50})
  void setOfBadSamplesEndsAtOnce(int size) {
    Integer[] all = new Integer[size];
    Arrays.setAll(all, i -> i);
    MadeSet set = new MadeSet(size, all);
    for (LoaderSettings settings :
        List.of(LoaderSettings.shuffled(2).withBad(1, null), LoaderSettings.inOrder(2))) {
      try (Prefetcher loader = Prefetcher.start(set, SEED, 0, settings)) {
        assertThrows(UserException.class, loader::next);
      }
    }
  }

  @Test
  void listIsKeptAndItsSamplesAreNotReadAgain() throws Exception {
    Path list = folder.resolve("bad-samples.tsv");
    Files.writeString(list, "id\tfile\treason\nother\tx.png\told\ns2\tf2\tbroken\n");
    MadeSet set = new MadeSet(20, 2, 5);
    LoaderSettings settings = LoaderSettings.shuffled(2).withBad(0.01, list).withEnd(20);
    assertEquals(expected(20, Set.of(2, 5), 0, 20), indices(set, 0, 21, settings));
    assertEquals(
        List.of("id\tfile\treason", "other\tx.png\told", "s2\tf2\tbroken", "s5\tf5\tbroken"),
        Files.readAllLines(list));
    // What is listed stays bad, mended or not: the run goes on as it began.
    MadeSet mended = new MadeSet(20);
    assertEquals(expected(20, Set.of(2, 5), 7, 13), indices(mended, 7, 13, settings));
    Files.writeString(list, "something else\n");
    assertThrows(UserException.class, () -> Prefetcher.start(set, SEED, 0, settings).close());
  }

  @Test
  void memoryStaysWithinItsBound() throws Exception {
    long sample = Prefetcher.bytes(new MadeSet(1).read(0));
    long bound = 4 * sample + 10;
    MadeSet set = new MadeSet(200);
    LoaderSettings settings = LoaderSettings.shuffled(5).withMemory(bound);
    try (Prefetcher loader = Prefetcher.start(set, SEED, 0, settings)) {
      for (int i = 1; i <= 300; i++) {
        assertNotNull(loader.next());
        assertTrue(loader.waitingBytes() <= bound);
        // Waiting or being read, never more than fit; one more may be under way for the consumer.
        assertTrue(set.reads.get() - i <= 5, set.reads.get() + " read, " + i + " taken");
      }
    }
  }

  @Test
  void sampleLargerThanTheBoundIsReadAlone() throws Exception {
    LoaderSettings settings = LoaderSettings.shuffled(3).withMemory(1);
    assertEquals(expected(10, Set.of(), 0, 25), indices(new MadeSet(10), 0, 25, settings));
  }

  @Test
  void closeEndsTheThreadsAndInterruptIsAnswered() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    DataSet stuck = new StuckSet(never);
    Prefetcher loader = Prefetcher.start(stuck, SEED, 0, LoaderSettings.shuffled(2));
    Thread.currentThread().interrupt();
    assertThrows(InterruptedException.class, loader::next);
    assertFalse(Thread.currentThread().isInterrupted());
    never.countDown();
    assertEquals(0, loader.position());
    assertNotNull(loader.next());
    loader.close();
    loader.close();
    assertThrows(IllegalStateException.class, loader::next);
    assertTrue(
        Thread.getAllStackTraces().keySet().stream()
            .noneMatch(thread -> thread.getName().startsWith("fathom-load-")));
  }

  /** Waits with every sample until it may go on. */
  private record StuckSet(CountDownLatch gate) implements DataSet {
    @Override
    public String name() {
      return "stuck";
    }

    @Override
    public int size() {
      return 5;
    }

    @Override
    public String id(int index) {
      return "s" + index;
    }

    @Override
    public Sample read(int index) {
      try {
        gate.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      return new Sample(id(index), new RgbImage(1, 1, new byte[3]), null, null);
    }
  }

  @Test
  void whatASetThrowsReachesTheConsumer() {
    DataSet broken =
        new DataSet() {
          @Override
          public String name() {
            return "broken";
          }

          @Override
          public int size() {
            return 3;
          }

          @Override
          public String id(int index) {
            return "s" + index;
          }

          @Override
          public Sample read(int index) {
            throw new UnsupportedOperationException("a mistake");
          }
        };
    try (Prefetcher loader = Prefetcher.start(broken, 1, 0, LoaderSettings.inOrder(2))) {
      assertThrows(UnsupportedOperationException.class, loader::next);
      assertThrows(UnsupportedOperationException.class, loader::next);
    }
  }

  @Test
  void setsOneAfterTheOther() throws Exception {
    ConcatDataSet both =
        new ConcatDataSet(List.of(new MadeSet(2), new MadeSet(0), new MadeSet(3, 1)));
    assertEquals(5, both.size());
    assertEquals("2/s0", both.id(2));
    assertEquals(0, both.setOf(1));
    assertEquals(2, both.setOf(2));
    assertEquals("2/s2", both.read(4).id());
    assertThrows(BadSampleException.class, () -> both.read(3));
    assertThrows(IndexOutOfBoundsException.class, () -> both.id(5));
  }

  @Test
  void splitIsByChanceAndComplete() throws Exception {
    MadeSet set = new MadeSet(50);
    SubsetDataSet.Split split = SubsetDataSet.split(set, 10, 7);
    assertEquals(10, split.heldOut().size());
    Set<String> all = new HashSet<>();
    for (SubsetDataSet part : List.of(split.kept(), split.heldOut())) {
      int last = -1;
      for (int i = 0; i < part.size(); i++) {
        all.add(part.id(i));
        assertTrue(part.indexInSet(i) > last);
        last = part.indexInSet(i);
      }
    }
    assertEquals(50, all.size());
    assertEquals(split.heldOut().id(3), SubsetDataSet.split(set, 10, 7).heldOut().id(3));
    assertNotEquals(
        split.heldOut().read(0).id() + split.heldOut().id(1),
        SubsetDataSet.split(set, 10, 8).heldOut().id(0)
            + SubsetDataSet.split(set, 10, 8).heldOut().id(1));
    assertEquals("s4", SubsetDataSet.range(set, 3, 6).id(1));
    assertThrows(IndexOutOfBoundsException.class, () -> SubsetDataSet.range(set, 3, 51));
  }
}
