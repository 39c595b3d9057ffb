package dev.fathom.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Param;

/** A family of operators and its benchmark. */
enum Family {
  LINEAR(LinearBenchmark.class),
  LINEAR_BACKWARD(LinearBackwardBenchmark.class),
  ATTENTION(AttentionBenchmark.class),
  ATTENTION_BACKWARD(AttentionBackwardBenchmark.class),
  NORM(NormBenchmark.class),
  NORM_BACKWARD(NormBackwardBenchmark.class),
  PATCH_EMBED(PatchEmbedBenchmark.class),
  CONV(ConvBenchmark.class),
  CONV_BACKWARD(ConvBackwardBenchmark.class),
  RESAMPLE(ResampleBenchmark.class),
  LOSS(LossBenchmark.class),
  LAUNCH(LaunchBenchmark.class);

  private final Class<? extends OperatorBenchmark> benchmark;

  Family(Class<? extends OperatorBenchmark> benchmark) {
    this.benchmark = benchmark;
  }

  /** The JMH class. */
  Class<? extends OperatorBenchmark> benchmark() {
    return benchmark;
  }

  /** As in filters and tables: {@code patch_embed}. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Its layers, which the benchmark's annotation lists. */
  List<Layer> layers() {
    try {
      Param layers = benchmark.getField("layer").getAnnotation(Param.class);
      return List.of(layers.value()).stream().map(name -> new Layer(this, name)).toList();
    } catch (NoSuchFieldException e) {
      throw new IllegalStateException(benchmark + " has no layers", e);
    }
  }

  /** A layer of a family. */
  record Layer(Family family, String name) {
    /**
     * Whether it is the layer or of the family that a filter names, or else begins as the filter
     * does.
     */
    private boolean matches(String filter, List<Layer> all) {
      if (Stream.of(values()).anyMatch(known -> known.label().equals(filter))) {
        return family.label().equals(filter);
      }
      boolean exact = all.stream().anyMatch(layer -> layer.toString().equals(filter));
      return exact ? toString().equals(filter) : toString().startsWith(filter);
    }

    @Override
    public String toString() {
      return family.label() + "." + name;
    }
  }

  /**
   * The layers that filters choose, in the order of the families.
   *
   * @param filters families ({@code conv}), layers ({@code linear.fc1}) or beginnings of them;
   *     empty for all
   * @throws IllegalArgumentException naming a filter that chooses nothing, and what there is
   */
  static List<Layer> choose(List<String> filters) {
    List<Layer> all = new ArrayList<>();
    for (Family family : values()) {
      all.addAll(family.layers());
    }
    for (String filter : filters) {
      if (all.stream().noneMatch(layer -> layer.toString().startsWith(filter))) {
        throw new IllegalArgumentException("no operator '" + filter + "'; there are " + all);
      }
    }
    return filters.isEmpty()
        ? all
        : all.stream()
            .filter(layer -> filters.stream().anyMatch(filter -> layer.matches(filter, all)))
            .toList();
  }
}
