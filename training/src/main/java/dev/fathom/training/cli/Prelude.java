package dev.fathom.training.cli;

import dev.fathom.nn.DepthModel;
import dev.fathom.nn.DepthModelOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * Loads the network on a second thread while the command line is still being parsed, which takes a
 * JVM that has just started about as long. Only for plain arguments: a file of weights and no
 * option that changes how it is loaded. Where the guess turns out wrong, or loading fails, the
 * command loads the network itself and reports what is wrong.
 */
final class Prelude {

  /** Options that make the default ones a wrong guess. */
  private static final Set<String> NOT_PLAIN =
      Set.of("--model", "--release", "--max-depth", "--input-size", "--threads", "-t");

  private static volatile @Nullable Prelude started;

  private final Path file;
  private final DepthModelOptions options = DepthModelOptions.defaults();
  private final FutureTask<DepthModel> model;

  private Prelude(Path file) {
    this.file = file;
    model = new FutureTask<>(() -> DepthModel.load(file, options));
  }

  /**
   * Begins, if the arguments ask for a command that runs a network and name its weights plainly.
   */
  static void start(String... args) {
    Path file = plainWeights(args);
    if (file != null && Runtime.getRuntime().availableProcessors() > 1) {
      Prelude prelude = new Prelude(file);
      Thread.ofPlatform().daemon().name("fathom-prelude").start(prelude.model);
      started = prelude;
    }
  }

  private static @Nullable Path plainWeights(String... args) {
    if (args.length == 0 || !args[0].equals("predict")) {
      return null;
    }
    Path file = null;
    for (int i = 1; i < args.length; i++) {
      int equals = args[i].indexOf('=');
      String name = equals < 0 ? args[i] : args[i].substring(0, equals);
      if (NOT_PLAIN.contains(name)) {
        return null;
      }
      if ((name.equals("--weights") || name.equals("-w")) && equals < 0 && i + 1 < args.length) {
        file = Path.of(args[i + 1]);
      }
    }
    return file != null && Files.isRegularFile(file) ? file : null;
  }

  /**
   * The network, if it was loaded from this file with these options; the caller closes it. A
   * network that was loaded in vain is closed.
   */
  static @Nullable DepthModel take(Path file, DepthModelOptions options)
      throws InterruptedException {
    Prelude prelude = started;
    started = null;
    if (prelude == null) {
      return null;
    }
    try {
      DepthModel loaded = prelude.model.get();
      if (prelude.file.equals(file) && prelude.options.equals(options)) {
        return loaded;
      }
      loaded.close();
      return null;
    } catch (ExecutionException e) {
      // The command meets it again.
      return null;
    }
  }
}
