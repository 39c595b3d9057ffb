package dev.fathom.training.stage;

import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.BadSampleException;
import dev.fathom.training.data.ConcatDataSet;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.DataSets;
import dev.fathom.training.data.DataSpec;
import dev.fathom.training.data.Sample;
import dev.fathom.training.synth.Domain;
import dev.fathom.training.synth.RenderedScenes;
import dev.fathom.training.synth.SynthDataSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Opens the data sets of a configuration. Rendered scenes are rendered once, at their first use,
 * and kept for the next.
 */
public final class Sources {

  private final StageListener listener;
  private final int threads;
  private final Map<RunConfig.Synth, RenderedScenes> scenes = new HashMap<>();

  /**
   * Opens data sets.
   *
   * @param threads to render scenes with; 0 for all processors
   */
  public Sources(int threads, StageListener listener) {
    this.threads = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    this.listener = listener;
  }

  /**
   * Opens sources as one set, concatenated.
   *
   * @param key of the configuration, for messages
   * @throws UserException if there is none, or one cannot be opened
   */
  public DataSet open(String key, List<RunConfig.Source> sources) {
    if (sources.isEmpty()) {
      throw new UserException(key, "no data set is given");
    }
    List<DataSet> sets = new ArrayList<>();
    try {
      for (int i = 0; i < sources.size(); i++) {
        sets.add(open(key + "[" + i + "]", sources.get(i)));
      }
    } catch (RuntimeException e) {
      sets.forEach(DataSet::close);
      throw e;
    }
    return sets.size() == 1 ? sets.getFirst() : new ConcatDataSet(sets);
  }

  /**
   * Opens one source; scenes are rendered.
   *
   * @throws UserException if it cannot be opened
   */
  public DataSet open(String key, RunConfig.Source source) {
    RunConfig.Synth synth = source.synth();
    return synth == null || source.path() != null ? describe(key, source) : rendered(key, synth);
  }

  /**
   * Opens one source; scenes are rendered anew at each reading.
   *
   * @throws UserException if it cannot be opened
   */
  public static DataSet describe(String key, RunConfig.Source source) {
    if (source.synth() != null) {
      if (source.path() != null) {
        throw new UserException(key, "give either a path or synth, not both");
      }
      return synth(key + ".synth", source.synth());
    }
    Map<String, Object> entries = new LinkedHashMap<>();
    put(entries, "path", source.path());
    put(entries, "picture", source.picture());
    put(entries, "depth", source.depth());
    put(entries, "mask", source.mask());
    put(entries, "sky", source.sky());
    put(entries, "classes", source.classes());
    put(entries, "kind", source.kind());
    put(entries, "scale", source.scale());
    put(entries, "invalid", source.invalid());
    put(entries, "min", source.min());
    put(entries, "max", source.max());
    if (source.path() == null) {
      throw new UserException(key, "needs a path, or synth");
    }
    try {
      return DataSets.open(DataSpec.parse(entries, Path.of("")));
    } catch (UserException e) {
      throw new UserException(key, String.valueOf(e.getMessage()), e);
    }
  }

  private static void put(Map<String, Object> entries, String key, @Nullable Object value) {
    if (value != null) {
      entries.put(key, value);
    }
  }

  private synchronized DataSet rendered(String key, RunConfig.Synth synth) {
    RenderedScenes known = scenes.get(synth);
    if (known != null) {
      return known;
    }
    RenderedScenes rendered = new RenderedScenes(synth(key + ".synth", synth));
    listener.begin("scenes", 0, rendered.size(), "scenes", 0);
    try {
      rendered.render(threads, done -> listener.step(done, new LinkedHashMap<>()));
    } finally {
      listener.end();
    }
    scenes.put(synth, rendered);
    return rendered;
  }

  /** Rendered scenes. */
  public static SynthDataSet synth(String key, RunConfig.Synth synth) {
    if (synth.domains() == null || synth.domains().isEmpty()) {
      throw new UserException(key, "needs domains: a list of names");
    }
    try {
      List<Domain> domains = synth.domains().stream().map(Domain::named).toList();
      return new SynthDataSet(
          domains, synth.seed(), synth.first(), synth.count(), synth.side(), synth.side());
    } catch (IllegalArgumentException e) {
      throw new UserException(key, String.valueOf(e.getMessage()), e);
    }
  }

  /**
   * Requires that a set has depth, by its first sample.
   *
   * @throws UserException if not, naming the key
   */
  @SuppressWarnings("EmptyCatch")
  public static void requireTruth(String key, DataSet set) {
    for (int i = 0; i < Math.min(set.size(), 16); i++) {
      try {
        Sample sample = set.read(i);
        if (sample.truth() == null) {
          throw new UserException(
              key, set.name() + " has no depth; give the pattern of its depth files");
        }
        return;
      } catch (BadSampleException e) {
        // The loader counts and lists it; another may do here.
      }
    }
  }

  /** As {@link #requireTruth} for object classes. */
  @SuppressWarnings("EmptyCatch")
  static void requireClasses(String key, DataSet set) {
    for (int i = 0; i < Math.min(set.size(), 16); i++) {
      try {
        if (set.read(i).classes() == null) {
          throw new UserException(
              key, set.name() + " has no object classes; give the pattern of their files");
        }
        return;
      } catch (BadSampleException e) {
        // As above.
      }
    }
  }
}
