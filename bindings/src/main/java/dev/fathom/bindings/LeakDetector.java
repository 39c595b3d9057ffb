package dev.fathom.bindings;

import java.lang.ref.Cleaner;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reports owners of native memory that are garbage collected without having been closed. It frees
 * nothing: a leak is a mistake to be seen, and freeing at a time that the collector picks hides it.
 *
 * <p>The system property {@code fathom.leaks} says how much is told: {@code off}, {@code simple}
 * (the class; the default) or {@code full} (also where it was allocated, at the price of a stack
 * trace for each object). Reports are warnings of the System.Logger {@code dev.fathom.leaks}.
 */
public final class LeakDetector {

  private static final Cleaner CLEANER = Cleaner.create();
  private static final System.Logger LOG = System.getLogger("dev.fathom.leaks");
  private static final LeakDetector DEFAULT =
      new LeakDetector(
          Level.of(System.getProperty("fathom.leaks", "simple")),
          text -> LOG.log(System.Logger.Level.WARNING, text));

  enum Level {
    OFF,
    SIMPLE,
    FULL;

    static Level of(String name) {
      return switch (name) {
        case "off" -> OFF;
        case "simple" -> SIMPLE;
        case "full" -> FULL;
        default ->
            throw new IllegalArgumentException(
                "fathom.leaks is " + name + "; it can be off, simple or full");
      };
    }
  }

  /** What an owner keeps to say that it was closed. */
  public interface Tracker {

    /** To be called by the owner's close method. Idempotent. */
    void closed();
  }

  private final Level level;
  private final Consumer<String> report;

  LeakDetector(Level level, Consumer<String> report) {
    this.level = level;
    this.report = report;
  }

  /**
   * Watches an owner, from its constructor on.
   *
   * @param owner the object that has to be closed
   * @return what the owner calls when it is closed
   */
  public static Tracker track(Object owner) {
    return DEFAULT.watch(owner);
  }

  Tracker watch(Object owner) {
    if (level == Level.OFF) {
      return () -> {};
    }
    // Neither may refer to the owner, or it would never be collected.
    Watch watch =
        new Watch(
            owner.getClass().getName(),
            level == Level.FULL ? new AllocationSite(owner.getClass()) : null,
            report);
    Cleaner.Cleanable registration = CLEANER.register(owner, watch);
    return () -> {
      watch.closed.set(true);
      registration.clean();
    };
  }

  private static final class Watch implements Runnable {

    private final AtomicBoolean closed = new AtomicBoolean();
    private final String type;
    private final @Nullable AllocationSite site;
    private final Consumer<String> report;

    Watch(String type, @Nullable AllocationSite site, Consumer<String> report) {
      this.type = type;
      this.site = site;
      this.report = report;
    }

    @Override
    public void run() {
      if (closed.get()) {
        return;
      }
      StringBuilder text = new StringBuilder(type).append(" was not closed; ");
      if (site == null) {
        text.append("-Dfathom.leaks=full tells where it was allocated");
      } else {
        text.append("it was allocated");
        for (StackTraceElement frame : site.getStackTrace()) {
          text.append("\n    at ").append(frame);
        }
      }
      report.accept(text.toString());
    }
  }

  /** A stack trace that is formatted only if it is wanted. */
  private static final class AllocationSite extends Throwable {

    private static final long serialVersionUID = 1L;

    AllocationSite(Class<?> type) {
      super(type.getName());
      StackTraceElement[] frames = getStackTrace();
      int first = 0;
      while (first < frames.length - 1
          && frames[first].getClassName().equals(LeakDetector.class.getName())) {
        first++;
      }
      setStackTrace(Arrays.copyOfRange(frames, first, frames.length));
    }
  }
}
