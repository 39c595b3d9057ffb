package dev.fathom.training.weights;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The checkpoints that the authors of Depth Anything published.
 *
 * <p>Addresses are those of the README files of github.com/LiheYoung/Depth-Anything and
 * github.com/DepthAnything/Depth-Anything-V2 and of the repositories for Hugging Face's
 * transformers that these name. Names: {@code [v2-[indoor-|outdoor-]]vit{s,b,l}[-hf]}.
 *
 * <p>Licences: all of V1 is Apache-2.0; V2 is Apache-2.0 for Small and CC-BY-NC-4.0 for Base and
 * Large (README of V2). The model cards of the metric Base and Large weights say Apache-2.0, but
 * they are fine-tuned from CC-BY-NC-4.0 weights; the stricter reading is taken here.
 */
public final class Catalogue {
  /** The publisher's host. */
  public static final String HOST = "https://huggingface.co";

  /** Depth in metres that V2's outdoor metric weights reach. */
  public static final float OUTDOOR_MAX_DEPTH = 80;

  private static final List<Size> SIZES =
      List.of(
          new Size("vits", "small", "Small", 99.2),
          new Size("vitb", "base", "Base", 390),
          new Size("vitl", "large", "Large", 1340));

  private static final List<Checkpoint> ALL = all();

  /** One encoder size as the publishers spell it. */
  private record Size(String vit, String word, String title, double megabytes) {
    License v2License() {
      return vit.equals("vits") ? License.APACHE_2_0 : License.CC_BY_NC_4_0;
    }
  }

  private Catalogue() {}

  /** Every checkpoint, V1 first, small to large. */
  public static List<Checkpoint> checkpoints() {
    return ALL;
  }

  /** The checkpoint of that name or alias; case does not matter. */
  public static Optional<Checkpoint> find(String name) {
    String wanted = name.toLowerCase(Locale.ROOT);
    return ALL.stream()
        .filter(known -> known.name().equals(wanted) || known.aliases().contains(wanted))
        .findFirst();
  }

  /** All names, the ones most like {@code name} first. */
  public static List<String> nearest(String name) {
    String wanted = name.toLowerCase(Locale.ROOT);
    return ALL.stream()
        .sorted(Comparator.comparingInt(known -> distance(known, wanted)))
        .map(Checkpoint::name)
        .toList();
  }

  private static int distance(Checkpoint checkpoint, String wanted) {
    int best = editDistance(checkpoint.name(), wanted);
    for (String alias : checkpoint.aliases()) {
      best = Math.min(best, editDistance(alias, wanted));
    }
    return best;
  }

  /** Levenshtein's distance: insertions, deletions and replacements that turn a into b. */
  static int editDistance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }

  private static List<Checkpoint> all() {
    List<Checkpoint> all = new ArrayList<>();
    for (Size size : SIZES) {
      all.add(
          new Checkpoint(
              size.vit(),
              List.of(
                  "v1-" + size.vit(), "v1-" + size.word(), "depth_anything_" + size.vit() + "14"),
              Release.V1,
              size.vit(),
              0,
              Checkpoint.Format.TORCH,
              License.APACHE_2_0,
              size.megabytes(),
              "spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/depth_anything_"
                  + size.vit()
                  + "14.pth"));
    }
    for (Size size : SIZES) {
      all.add(
          new Checkpoint(
              size.vit() + "-hf",
              List.of("v1-" + size.vit() + "-hf", "depth-anything-" + size.word() + "-hf"),
              Release.V1,
              size.vit(),
              0,
              Checkpoint.Format.SAFETENSORS,
              License.APACHE_2_0,
              size.megabytes(),
              "LiheYoung/depth-anything-" + size.word() + "-hf/resolve/main/model.safetensors"));
    }
    for (Size size : SIZES) {
      String file = "depth_anything_v2_" + size.vit();
      String repository = "Depth-Anything-V2-" + size.title();
      all.add(v2(size, "", List.of("v2-" + size.word(), file), 0, repository, file));
    }
    for (Size size : SIZES) {
      all.add(v2Hf(size, "", List.of("v2-" + size.word() + "-hf"), 0, ""));
    }
    addMetric(all, "indoor", "hypersim", "Hypersim", ModelConfig.INDOOR_MAX_DEPTH);
    addMetric(all, "outdoor", "vkitti", "VKITTI", OUTDOOR_MAX_DEPTH);
    return List.copyOf(all);
  }

  private static void addMetric(
      List<Checkpoint> all, String scene, String data, String dataTitle, float maxDepth) {
    String sceneTitle = scene.substring(0, 1).toUpperCase(Locale.ROOT) + scene.substring(1);
    for (Size size : SIZES) {
      String file = "depth_anything_v2_metric_" + data + "_" + size.vit();
      List<String> aliases =
          List.of(
              "v2-" + scene + "-" + size.word(),
              "v2-" + data + "-" + size.vit(),
              "v2-" + data + "-" + size.word(),
              file);
      String repository = "Depth-Anything-V2-Metric-" + dataTitle + "-" + size.title();
      all.add(v2(size, scene + "-", aliases, maxDepth, repository, file));
    }
    for (Size size : SIZES) {
      List<String> aliases = List.of("v2-" + scene + "-" + size.word() + "-hf");
      all.add(v2Hf(size, scene + "-", aliases, maxDepth, "Metric-" + sceneTitle + "-"));
    }
  }

  private static Checkpoint v2(
      Size size,
      String scene,
      List<String> aliases,
      float maxDepth,
      String repository,
      String file) {
    return new Checkpoint(
        "v2-" + scene + size.vit(),
        aliases,
        maxDepth > 0 ? Release.V2_METRIC : Release.V2,
        size.vit(),
        maxDepth,
        Checkpoint.Format.TORCH,
        size.v2License(),
        size.megabytes(),
        "depth-anything/" + repository + "/resolve/main/" + file + ".pth");
  }

  private static Checkpoint v2Hf(
      Size size, String scene, List<String> aliases, float maxDepth, String title) {
    return new Checkpoint(
        "v2-" + scene + size.vit() + "-hf",
        aliases,
        maxDepth > 0 ? Release.V2_METRIC : Release.V2,
        size.vit(),
        maxDepth,
        Checkpoint.Format.SAFETENSORS,
        size.v2License(),
        size.megabytes(),
        "depth-anything/Depth-Anything-V2-"
            + title
            + size.title()
            + "-hf/resolve/main/model.safetensors");
  }
}
