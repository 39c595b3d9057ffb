package dev.fathom.training.config;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.cfg.CoercionAction;
import tools.jackson.databind.cfg.CoercionInputShape;
import tools.jackson.databind.exc.UnrecognizedPropertyException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.type.LogicalType;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * Reads configurations: the defaults, changed by a file, changed by {@code key=value} settings. A
 * key that the defaults lack, a value of another type or outside its range is a {@link
 * UserException} of one line that names it.
 */
public final class ConfigReader {

  private static final YAMLMapper YAML = mapper();

  private ConfigReader() {}

  /** The defaults as text, with their comments. */
  public static String defaultsText() {
    try (InputStream in = ConfigReader.class.getResourceAsStream("defaults.yaml")) {
      if (in == null) {
        throw new IllegalStateException("defaults.yaml is missing from the jar");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException("defaults.yaml cannot be read", e);
    }
  }

  /**
   * Reads a configuration.
   *
   * @param file YAML; null for the defaults alone
   * @param settings {@code a.b=value}, applied last, in order
   * @throws UserException in one line, with the file and the key
   */
  public static RunConfig read(@Nullable Path file, List<String> settings) {
    ObjectNode tree = (ObjectNode) YAML.readTree(defaultsText());
    String source = file == null ? "defaults" : file.toString();
    if (file != null) {
      JsonNode own = parse(text(file), source);
      if (own instanceof ObjectNode changes) {
        merge(tree, changes, "", source);
      } else if (!own.isMissingNode() && !own.isNull()) {
        throw new UserException(source, "is not a mapping of keys to values");
      }
    }
    for (String setting : settings) {
      set(tree, setting);
    }
    return checked(bind(tree, source), source);
  }

  /** A configuration as YAML, complete, without comments. */
  public static String write(RunConfig config) {
    return YAML.writeValueAsString(config);
  }

  /**
   * A configuration that {@link #write} wrote. Its ranges are not checked again.
   *
   * @throws UserException if a key is unknown or a value of another type
   */
  public static RunConfig parse(String yaml) {
    return bind((ObjectNode) YAML.readTree(yaml), "configuration");
  }

  /** A configuration with other values, {@code a.b=value}. */
  public static RunConfig with(RunConfig config, List<String> settings) {
    ObjectNode tree = (ObjectNode) YAML.readTree(write(config));
    for (String setting : settings) {
      set(tree, setting);
    }
    return checked(bind(tree, "configuration"), "configuration");
  }

  /**
   * A configuration that {@link #write} wrote, perhaps before some keys existed: these get the
   * value that says what was done without them.
   *
   * @return as {@link #write} would write it today
   * @throws UserException if a key is unknown or a value of another type
   */
  public static String completed(String yaml, String source) {
    ObjectNode tree = (ObjectNode) YAML.readTree(defaultsText());
    if (parse(yaml, source) instanceof ObjectNode old) {
      if (old.path("optimiser").path("cycle-momentum").isMissingNode()
          && yaml.contains("\"one-cycle\"")) {
        set(tree, "optimiser.cycle-momentum=false");
      }
      merge(tree, old, "", source);
    }
    return write(bind(tree, source));
  }

  private static YAMLMapper mapper() {
    YAMLMapper.Builder builder =
        YAMLMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE)
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
            .enable(
                DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES,
                DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES,
                DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY,
                DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    // A number is not a text and 1.5 is not an integer, however convenient.
    builder.withCoercionConfig(
        LogicalType.Textual,
        config ->
            config
                .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail));
    builder.withCoercionConfig(
        LogicalType.Integer,
        config ->
            config
                .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                .setCoercion(CoercionInputShape.String, CoercionAction.Fail));
    return builder.build();
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (NoSuchFileException e) {
      throw new UserException(file.toString(), "no such file", e);
    } catch (IOException e) {
      throw new UserException(file.toString(), "cannot be read as UTF-8 text", e);
    }
  }

  private static JsonNode parse(String text, String source) {
    try {
      return YAML.readTree(text);
    } catch (JacksonException e) {
      throw new UserException(source + line(e), reason(e), e);
    }
  }

  /** The keys whose value may be null. */
  private static final String NULLABLE = "model.encoder";

  private static void merge(ObjectNode target, ObjectNode changes, String path, String source) {
    for (var change : changes.properties()) {
      String key = path.isEmpty() ? change.getKey() : path + "." + change.getKey();
      JsonNode old = target.get(change.getKey());
      if (old == null) {
        throw new UserException(
            source, "unknown key '" + key + "'" + near(target.propertyNames(), change.getKey()));
      }
      if (old instanceof ObjectNode oldObject) {
        if (!(change.getValue() instanceof ObjectNode newObject)) {
          throw new UserException(source, "'" + key + "' must have keys below it");
        }
        merge(oldObject, newObject, key, source);
      } else {
        requireValue(change.getValue(), key, source);
        target.set(change.getKey(), change.getValue());
      }
    }
  }

  private static void requireValue(JsonNode value, String key, String source) {
    if (value.isNull() && !key.equals(NULLABLE)) {
      throw new UserException(source, "'" + key + "' has no value");
    }
    if (value instanceof ArrayNode items) {
      for (int i = 0; i < items.size(); i++) {
        requireValue(items.get(i), key + "[" + i + "]", source);
      }
    }
  }

  private static void set(ObjectNode tree, String setting) {
    int equals = setting.indexOf('=');
    if (equals < 1) {
      throw new UserException("--set " + setting, "must be key=value, such as teacher.batch=8");
    }
    String key = setting.substring(0, equals).strip();
    JsonNode value = parse(setting.substring(equals + 1), "--set " + setting);
    ObjectNode changes = YAML.createObjectNode();
    ObjectNode here = changes;
    List<String> parts = List.of(key.split("\\.", -1));
    for (String part : parts.subList(0, parts.size() - 1)) {
      here = here.putObject(part);
    }
    here.set(parts.getLast(), value);
    merge(tree, changes, "", "--set " + setting);
  }

  private static RunConfig bind(ObjectNode tree, String source) {
    try {
      return YAML.treeToValue(tree, RunConfig.class);
    } catch (UnrecognizedPropertyException e) {
      List<String> known =
          e.getKnownPropertyIds() == null
              ? List.of()
              : e.getKnownPropertyIds().stream().map(String::valueOf).toList();
      throw new UserException(
          source, "unknown key '" + path(e) + "'" + near(known, e.getPropertyName()), e);
    } catch (JacksonException e) {
      throw new UserException(source, "'" + path(e) + "': " + reason(e), e);
    }
  }

  private static String path(JacksonException e) {
    StringBuilder path = new StringBuilder();
    for (JacksonException.Reference reference : e.getPath()) {
      if (reference.getPropertyName() == null) {
        path.append('[').append(reference.getIndex()).append(']');
      } else {
        path.append(path.isEmpty() ? "" : ".").append(reference.getPropertyName());
      }
    }
    return path.toString();
  }

  private static String line(JacksonException e) {
    TokenStreamLocation location = e.getLocation();
    return location == null || location.getLineNr() < 1 ? "" : ":" + location.getLineNr();
  }

  /** What went wrong, without the class names and places that the library adds. */
  private static String reason(JacksonException e) {
    String message = e.getOriginalMessage();
    String first = message == null ? "not valid" : message.lines().findFirst().orElse("not valid");
    return first.replaceAll("`(?:[a-z]+\\.)+([A-Za-z$]+)`", "$1");
  }

  /** A hint where a known key is spelt almost so. */
  private static String near(Collection<String> known, String key) {
    List<String> close = known.stream().filter(name -> distance(name, key) <= 2).toList();
    return close.isEmpty()
        ? "; known here: " + String.join(", ", known)
        : "; did you mean " + String.join(" or ", close) + "?";
  }

  /** Levenshtein's. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int above = row[j];
        int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(change, Math.min(above, row[j - 1]) + 1);
        diagonal = above;
      }
    }
    return row[b.length()];
  }

  private static RunConfig checked(RunConfig config, String source) {
    Ranges ranges = new Ranges(source);
    ranges.atLeast("threads", config.threads(), 0);
    ranges.oneOf("device", config.device(), "cpu", "cuda", "auto");
    ranges.oneOf("gemm", config.gemm(), "fathom", "cublas", "cublaslt");
    ranges.oneOf("conv", config.conv(), "fathom", "cudnn");
    ranges.oneOf("model.size", config.model().size(), "vits", "vitb", "vitl", "vitg", "custom");
    ranges.oneOf("model.release", config.model().release(), "v1", "v2");
    int patch = config.model().size().equals("custom") ? config.model().custom().patch() : 14;
    ranges.atLeast("model.custom.patch", patch, 1);
    ranges.require(
        "input.side",
        config.input().side() >= patch && config.input().side() % patch == 0,
        config.input().side() + " is not a positive multiple of the patch, " + patch);
    ranges.share("data.validation-share", config.data().validationShare());
    ranges.atLeast("data.validation-limit", config.data().validationLimit(), 1);
    ranges.atLeast("loader.workers", config.loader().workers(), 1);
    ranges.atLeast("loader.memory-mb", config.loader().memoryMb(), 1);
    ranges.share("loader.bad-share", config.loader().badShare());
    RunConfig.Optimiser optimiser = config.optimiser();
    ranges.require("optimiser.beta1", optimiser.beta1() >= 0 && optimiser.beta1() < 1, "[0,1)");
    ranges.require("optimiser.beta2", optimiser.beta2() >= 0 && optimiser.beta2() < 1, "[0,1)");
    ranges.require("optimiser.eps", optimiser.eps() > 0, "must be positive");
    ranges.rate("optimiser.weight-decay", optimiser.weightDecay());
    ranges.notNegative("optimiser.clip-norm", optimiser.clipNorm());
    ranges.require(
        "optimiser.max-momentum",
        optimiser.maxMomentum() >= 0 && optimiser.maxMomentum() < 1,
        "[0,1)");
    ranges.require(
        "optimiser.base-momentum",
        optimiser.baseMomentum() >= 0 && optimiser.baseMomentum() <= optimiser.maxMomentum(),
        "must be 0 to max-momentum");
    RunConfig.Pretrain pretrain = config.pretrain();
    ranges.atLeast("pretrain.steps", pretrain.steps(), 1);
    ranges.atLeast("pretrain.batch", pretrain.batch(), 1);
    ranges.rate("pretrain.rate", pretrain.rate());
    ranges.atLeast("pretrain.warmup-steps", pretrain.warmupSteps(), 0);
    ranges.schedule("pretrain.schedule", pretrain.schedule());
    ranges.require(
        "pretrain.classes",
        pretrain.classes() >= 2 && pretrain.classes() <= 255,
        pretrain.classes() + " is outside 2 to 255");
    RunConfig.Teacher teacher = config.teacher();
    ranges.stage("teacher", teacher.epochs(), teacher.steps());
    ranges.atLeast("teacher.batch", teacher.batch(), 1);
    ranges.rate("teacher.encoder-rate", teacher.encoderRate());
    ranges.rate("teacher.head-rate", teacher.headRate());
    ranges.schedule("teacher.schedule", teacher.schedule());
    ranges.atLeast("teacher.warmup-steps", teacher.warmupSteps(), 0);
    ranges.share("teacher.flip", teacher.flip());
    ranges.atLeast("pseudo-label.per-shard", config.pseudoLabel().perShard(), 1);
    RunConfig.Student student = config.student();
    ranges.stage("student", student.epochs(), student.steps());
    ranges.atLeast("student.labelled-batch", student.labelledBatch(), 1);
    ranges.atLeast("student.unlabelled-per-labelled", student.unlabelledPerLabelled(), 1);
    ranges.rate("student.encoder-rate", student.encoderRate());
    ranges.rate("student.head-rate", student.headRate());
    ranges.schedule("student.schedule", student.schedule());
    ranges.atLeast("student.warmup-steps", student.warmupSteps(), 0);
    ranges.share("student.flip", student.flip());
    ranges.distortion(student.distortion());
    ranges.require(
        "student.alignment.margin",
        student.alignment().margin() >= -1 && student.alignment().margin() <= 1,
        "must be a cosine");
    ranges.oneOf(
        "student.alignment.frozen-sees", student.alignment().frozenSees(), "distorted", "clean");
    ranges.require(
        "loss.trim", config.loss().trim() >= 0 && config.loss().trim() < 1, "must be in [0,1)");
    ranges.notNegative("loss.gradient-matching", config.loss().gradientMatching());
    ranges.require(
        "average.decay",
        config.average().decay() >= 0 && config.average().decay() < 1,
        "must be in [0,1)");
    ranges.atLeast("checkpoint.every", config.checkpoint().every(), 1);
    ranges.atLeast("checkpoint.keep", config.checkpoint().keep(), 1);
    ranges.atLeast("log.every", config.log().every(), 1);
    ranges.atLeast("limits.bad-steps", config.limits().badSteps(), 0);
    ranges.require("limits.gradient-norm", config.limits().gradientNorm() > 0, "must be positive");
    ranges.require("evaluation.cap", config.evaluation().cap() > 0, "must be positive");
    ranges.atLeast("evaluation.limit", config.evaluation().limit(), 0);
    ranges.atLeast("evaluation.pictures", config.evaluation().pictures(), 0);
    return config;
  }
}
