package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The small reference checkpoints of golden/files. */
final class GoldenFiles {
  static final List<String> GOOD =
      List.of("plain.safetensors", "plain.pth", "legacy.pth", "nested.pt");

  private GoldenFiles() {}

  static byte[] bytes(String name) {
    try (InputStream in = GoldenFiles.class.getResourceAsStream("/golden/files/" + name)) {
      if (in == null) {
        throw new IllegalArgumentException("no reference file " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Path copy(String name, Path folder) throws IOException {
    return Files.write(folder.resolve(name), bytes(name));
  }

  /** A tensor that the good files hold. */
  record Expected(DType dtype, List<Long> shape, List<Float> values) {
    float[] floats() {
      float[] floats = new float[values.size()];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = values.get(i);
      }
      return floats;
    }
  }

  static Map<String, Expected> expected() {
    try {
      Object root = Json.parse(new String(bytes("expected.json"), StandardCharsets.UTF_8));
      Map<String, Expected> tensors = new LinkedHashMap<>();
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) root).entrySet()) {
        Map<?, ?> fields = (Map<?, ?>) entry.getValue();
        List<Float> floats =
            ((List<?>) fields.get("values"))
                .stream().map(value -> ((Number) value).floatValue()).toList();
        List<Long> shape =
            ((List<?>) fields.get("shape")).stream().map(size -> (Long) size).toList();
        tensors.put(
            (String) entry.getKey(),
            new Expected(dtype((String) fields.get("dtype")), shape, floats));
      }
      return tensors;
    } catch (FormatException e) {
      throw new IllegalStateException(e);
    }
  }

  private static DType dtype(String torch) {
    return switch (torch) {
      case "bool" -> DType.BOOL;
      case "bfloat16" -> DType.BF16;
      default -> {
        String letter = torch.substring(0, 1).toUpperCase(Locale.ROOT);
        yield DType.valueOf(letter + torch.replaceAll("\\D", ""));
      }
    };
  }

  /** A tensor's values as float32. */
  static float[] floats(Checkpoint checkpoint, String name) {
    float[] values = new float[Math.toIntExact(checkpoint.info(name).elements())];
    checkpoint.readFloats(name, MemorySegment.ofArray(values));
    return values;
  }
}
