package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.LeakDetector.Level;
import java.util.Locale;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is not closed is reported, with the place it came from. */
class LeakDetectorTest {

  /** Stands for an owner of native memory. */
  private static final class Owner implements AutoCloseable {
    private final LeakDetector.Tracker tracker;

    Owner(LeakDetector detector) {
      tracker = detector.watch(this);
    }

    @Override
    public void close() {
      tracker.closed();
    }
  }

  private final BlockingQueue<String> reports = new LinkedBlockingQueue<>();

  private LeakDetector detector(Level level) {
    return new LeakDetector(level, reports::add);
  }

  private static void leak(LeakDetector detector) {
    new Owner(detector);
  }

  /** Collects until a report comes; null after ten seconds without one. */
  private @Nullable String awaitReport() throws InterruptedException {
    for (int i = 0; i < 200; i++) {
      System.gc();
      String report = reports.poll(50, TimeUnit.MILLISECONDS);
      if (report != null) {
        return report;
      }
    }
    return null;
  }

  @Test
  void theClassIsReported() throws Exception {
    leak(detector(Level.SIMPLE));
    assertEquals(
        Owner.class.getName() + " was not closed; -Dfathom.leaks=full tells where it was allocated",
        awaitReport());
  }

  @Test
  void theAllocationSiteIsReported() throws Exception {
    leak(detector(Level.FULL));
    String report = String.valueOf(awaitReport());
    assertTrue(report.startsWith(Owner.class.getName() + " was not closed; it was allocated"));
    assertTrue(report.contains("LeakDetectorTest.leak("), report);
    assertFalse(report.contains("LeakDetector.watch("), report);
  }

  @Test
  void whatWasClosedIsNotReported() throws Exception {
    new Owner(detector(Level.FULL)).close();
    // The one after it is collected at the same time or later.
    leak(detector(Level.SIMPLE));
    assertTrue(String.valueOf(awaitReport()).contains("fathom.leaks=full"));
    assertTrue(reports.isEmpty(), reports::toString);
  }

  @Test
  void offReportsNothing() throws Exception {
    leak(detector(Level.OFF));
    leak(detector(Level.SIMPLE));
    assertTrue(String.valueOf(awaitReport()).contains("fathom.leaks=full"));
    assertTrue(reports.isEmpty(), reports::toString);
  }

  @Test
  void levelsAreNamed() {
    for (Level level : Level.values()) {
      assertEquals(level, Level.of(level.name().toLowerCase(Locale.ROOT)));
    }
    assertThrows(IllegalArgumentException.class, () -> Level.of("paranoid"));
  }
}
