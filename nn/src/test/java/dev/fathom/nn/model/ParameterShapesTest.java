package dev.fathom.nn.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ParameterShapesTest {
  /** The counts of millions that the papers give. */
  @ParameterizedTest
  @CsvSource({"vits,24.8", "vitb,97.5", "vitl,335.3"})
  void publishedSizesHaveThePublishedNumberOfParameters(String name, double millions) {
    Map<String, long[]> shapes =
        ParameterShapes.published(ModelConfig.published(name, Release.V2, 0));
    long parameters =
        shapes.values().stream()
            .mapToLong(shape -> Arrays.stream(shape).reduce(1, (a, b) -> a * b))
            .sum();
    assertEquals(millions, parameters / 1e6, 0.051);
  }

  @Test
  void theGiantHasSwiglu() {
    Map<String, long[]> shapes =
        ParameterShapes.published(ModelConfig.published("vitg", Release.V2, 0));
    assertArrayEquals(new long[] {8192, 1536}, shapes.get("pretrained.blocks.39.mlp.w12.weight"));
    assertArrayEquals(new long[] {1536, 4096}, shapes.get("pretrained.blocks.39.mlp.w3.weight"));
  }
}
