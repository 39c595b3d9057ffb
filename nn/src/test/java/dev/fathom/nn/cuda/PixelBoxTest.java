package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** The choice of boxes, by the example of kernels/cuda/args_conv90.h and at the ends. */
class PixelBoxTest {

  @Test
  void coversAMapWithTheFewestTiles() {
    PixelBox box = PixelBox.ofTile(148, 148);
    assertEquals(new PixelBox(5, 25), box);
    assertEquals(180, box.count(148, 148));
    assertEquals(190, new PixelBox(8, 16).count(148, 148));
    assertEquals(new PixelBox(3, 37), PixelBox.ofTile(37, 37));
  }

  @Test
  void isNoLargerThanTheMap() {
    assertEquals(new PixelBox(1, 1), PixelBox.ofTile(1, 1));
    assertEquals(new PixelBox(4, 5), PixelBox.ofTile(4, 5));
  }

  @Test
  void aRowOfPixelsIsCutInTiles() {
    assertEquals(new PixelBox(1, 128), PixelBox.ofTile(1, 43808));
    assertEquals(new PixelBox(1, 64), PixelBox.ofStep(1, 43808));
  }

  @Test
  void aStepHasAlwaysAsManyPixels() {
    assertEquals(new PixelBox(8, 8), PixelBox.ofStep(148, 148));
    assertEquals(new PixelBox(16, 4), PixelBox.ofStep(12, 20));
    assertEquals(new PixelBox(1, 64), PixelBox.ofStep(1, 1));
  }
}
