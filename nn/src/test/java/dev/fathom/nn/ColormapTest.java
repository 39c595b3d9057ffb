package dev.fathom.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ColormapTest {

  private static final DepthMap.Kind DISPARITY = DepthMap.Kind.DISPARITY;
  private static final DepthMap.Kind METRES = DepthMap.Kind.METRES;

  /**
   * The first, the last and two other colours, and the CRC-32 of all 768 bytes, as OpenCV 4.6
   * (inferno, turbo, viridis) and matplotlib 3.6 (Spectral) give them.
   */
  @ParameterizedTest
  @CsvSource({
    "INFERNO,    000004, 010005, bc3754, fcffa4, 40dd6ebe",
    "TURBO,      30123b, 321543, a4fc3c, 7a0403, dac3c2dc",
    "VIRIDIS,    440154, 440256, 21918c, fde725, f4078eb3",
    "SPECTRAL,   9e0142, a00342, fefebe, 5e4fa2, 7425f2e5",
    "SPECTRAL_R, 5e4fa2, 5c51a3, fefebd, 9e0142, 261996ad",
  })
  void coloursAreThePublishedOnes(
      Colormap map, String first, String second, String middle, String last, String crc) {
    assertEquals(first, "%06x".formatted(map.rgb(0)));
    assertEquals(second, "%06x".formatted(map.rgb(1)));
    assertEquals(middle, "%06x".formatted(map.rgb(128)));
    assertEquals(last, "%06x".formatted(map.rgb(255)));
    assertEquals(crc, "%08x".formatted(crc(map)));
  }

  @Test
  void grayIsItsIndex() {
    for (int i = 0; i < 256; i++) {
      assertEquals(i * 0x010101, Colormap.GRAY.rgb(i));
    }
  }

  @Test
  void namesArePeoples() {
    assertEquals(Colormap.INFERNO, Colormap.named("inferno", METRES));
    assertEquals(Colormap.GRAY, Colormap.named("Grey", METRES));
    assertEquals(Colormap.SPECTRAL_R, Colormap.named("spectral_r", METRES));
    assertEquals(Colormap.SPECTRAL_R, Colormap.named("spectral-r", DISPARITY));
    assertEquals(Colormap.SPECTRAL_R, Colormap.named("Spectral", DISPARITY));
    assertEquals(Colormap.SPECTRAL, Colormap.named("spectral", METRES));
    String message =
        assertThrows(IllegalArgumentException.class, () -> Colormap.named("jet", METRES))
            .getMessage();
    assertTrue(message.contains("'jet'") && message.contains("viridis"), message);
  }

  @Test
  void indexIsCutNotRounded() {
    assertEquals(0, Colormap.index(0.0039f, 0, 1));
    assertEquals(1, Colormap.index(0.00393f, 0, 1));
    assertEquals(254, Colormap.index(0.9999f, 0, 1));
    assertEquals(255, Colormap.index(1f, 0, 1));
  }

  /** The published expression in float32, spelled out, over values of every scale. */
  @Test
  void indexIsThePublishedExpression() {
    Random random = new Random(5);
    for (int i = 0; i < 10_000; i++) {
      float min = (random.nextFloat() - 0.5f) * 100;
      float max = min + random.nextFloat() * 100 + 1e-3f;
      float value = Math.clamp(min + random.nextFloat() * (max - min), min, max);
      float scaled = (value - min) / (max - min);
      scaled *= 255f;
      assertEquals((int) Math.floor(scaled), Colormap.index(value, min, max));
    }
  }

  @ParameterizedTest
  @EnumSource(Colormap.class)
  void smallestAndLargestTakeTheEnds(Colormap map) {
    RgbImage image = map.apply(new DepthMap(3, 1, DISPARITY, new float[] {-2, 7, 1}));
    assertEquals(map.rgb(0), image.at(0, 0));
    assertEquals(map.rgb(255), image.at(1, 0));
    assertEquals(map.rgb(85), image.at(2, 0));
  }

  @Test
  void constantMapTakesTheFirstColour() {
    RgbImage image = Colormap.VIRIDIS.apply(new DepthMap(2, 1, METRES, new float[] {3, 3}));
    assertEquals(0x440154, image.at(0, 0));
    assertEquals(0x440154, image.at(1, 0));
  }

  @Test
  void valuesThatAreNotFiniteDoNotSpoilTheRange() {
    float[] values = {
      Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1, 3, 2,
    };
    RgbImage image = Colormap.TURBO.apply(new DepthMap(3, 2, METRES, values));
    assertEquals(0x000000, image.at(0, 0));
    assertEquals(Colormap.TURBO.rgb(255), image.at(1, 0));
    assertEquals(Colormap.TURBO.rgb(0), image.at(2, 0));
    assertEquals(Colormap.TURBO.rgb(0), image.at(0, 1));
    assertEquals(Colormap.TURBO.rgb(255), image.at(1, 1));
    assertEquals(Colormap.TURBO.rgb(127), image.at(2, 1));
  }

  @Test
  void mapOfNothingFiniteIsDrawn() {
    float[] values = {Float.NaN, Float.POSITIVE_INFINITY};
    RgbImage image = Colormap.GRAY.apply(new DepthMap(2, 1, METRES, values));
    assertEquals(0, image.at(0, 0));
    assertEquals(0, image.at(1, 0));
  }

  @Test
  void givenRangeHolds() {
    DepthMap depth = new DepthMap(3, 1, METRES, new float[] {-1, 5, 20});
    RgbImage image = Colormap.GRAY.apply(depth, 0, 10);
    assertEquals(0, image.at(0, 0));
    assertEquals(0x7f7f7f, image.at(1, 0));
    assertEquals(0xffffff, image.at(2, 0));
  }

  @Test
  void indexOutsideTheTableThrows() {
    assertThrows(IndexOutOfBoundsException.class, () -> Colormap.GRAY.rgb(256));
    assertThrows(IndexOutOfBoundsException.class, () -> Colormap.GRAY.rgb(-1));
  }

  private static long crc(Colormap map) {
    CRC32 crc = new CRC32();
    for (int i = 0; i < 256; i++) {
      int rgb = map.rgb(i);
      crc.update(rgb >> 16);
      crc.update(rgb >> 8);
      crc.update(rgb);
    }
    return crc.getValue();
  }
}
