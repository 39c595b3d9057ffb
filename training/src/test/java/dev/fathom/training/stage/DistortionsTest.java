package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** How often, how strongly and where pictures are distorted. */
class DistortionsTest {

  private static final int DRAWS = 20_000;
  private final RunConfig.Distortion settings =
      ConfigReader.read(null, List.of()).student().distortion();
  private final Distortions distortions = new Distortions(1, settings);

  /** Five standard deviations of a share of {@link #DRAWS}. */
  private static void assertShare(double expected, int count) {
    double allowed = 5 * Math.sqrt(expected * (1 - expected) / DRAWS);
    assertEquals(expected, (double) count / DRAWS, allowed);
  }

  @Test
  void probabilitiesAndRangesAreThoseOfTheConfiguration() {
    int jittered = 0;
    int grey = 0;
    int blurred = 0;
    int hueFirst = 0;
    for (int i = 0; i < DRAWS; i++) {
      Distortion drawn = distortions.distortion(i);
      if (!drawn.jitter().isEmpty()) {
        jittered++;
        assertEquals(
            4, drawn.jitter().stream().map(ColorStep::op).collect(Collectors.toSet()).size());
        hueFirst += drawn.jitter().getFirst().op() == ColorOp.HUE ? 1 : 0;
        for (ColorStep step : drawn.jitter()) {
          boolean hue = step.op() == ColorOp.HUE;
          double middle = hue ? 0 : 1;
          assertEquals(middle, step.factor(), (hue ? 0.25 : 0.5) + 1e-6, step.op().toString());
        }
      }
      grey += drawn.grey() ? 1 : 0;
      blurred += drawn.blurSigma() > 0 ? 1 : 0;
      assertTrue(
          drawn.blurSigma() == 0 || (drawn.blurSigma() >= 0.1f && drawn.blurSigma() <= 2),
          "" + drawn.blurSigma());
    }
    assertShare(0.8, jittered);
    assertShare(0.2, grey);
    assertShare(0.5, blurred);
    assertShare(0.2, hueFirst);
  }

  @Test
  void boxesLieInsideWithAreaAndAspectInRange() {
    int side = 224;
    List<Box> boxes = distortions.boxes(0, DRAWS, side);
    int pasted = 0;
    for (Box box : boxes) {
      int height = box.bottom() - box.top();
      int width = box.right() - box.left();
      if (height == 0) {
        assertEquals(0, width);
        continue;
      }
      pasted++;
      assertTrue(box.top() >= 0 && box.left() >= 0 && box.bottom() <= side && box.right() <= side);
      // Sides are rounded down to whole pixels.
      assertTrue((height + 1.0) * (width + 1) >= 0.02 * side * side, box.toString());
      assertTrue((double) height * width <= 0.4 * side * side, box.toString());
      assertTrue((height + 1.0) / width >= 0.3, box.toString());
      assertTrue(height / (width + 1.0) <= 1 / 0.3, box.toString());
    }
    assertShare(0.5, pasted);
    assertEquals(new Box(0, 0, 0, 0), distortions.boxes(0, 1, side).getFirst(), "no partner");
  }

  @Test
  void aDrawDependsOnSeedAndPositionOnly() {
    assertEquals(distortions.boxes(0, 64, 56).subList(40, 64), distortions.boxes(40, 24, 56));
    Distortions same = new Distortions(1, settings);
    Distortions other = new Distortions(2, settings);
    List<Integer> positions = IntStream.range(0, 50).boxed().toList();
    var drawn = positions.stream().map(distortions::distortion).toList();
    assertEquals(drawn, positions.reversed().stream().map(same::distortion).toList().reversed());
    assertNotEquals(drawn, positions.stream().map(other::distortion).toList());
  }

  @Test
  void cropsAreSquaresInsideThePicture() {
    int flipped = 0;
    boolean atStart = false;
    boolean atEnd = false;
    for (int i = 0; i < DRAWS; i++) {
      Crop crop = Distortions.crop(1, 0, i, 70, 60, 0.5);
      assertEquals(60, crop.width());
      assertEquals(60, crop.height());
      assertEquals(0, crop.top());
      assertTrue(crop.left() >= 0 && crop.left() <= 10);
      atStart |= crop.left() == 0;
      atEnd |= crop.left() == 10;
      flipped += crop.flip() ? 1 : 0;
    }
    assertTrue(atStart && atEnd);
    assertShare(0.5, flipped);
    assertEquals(new Crop(0, 5, 60, 60, false), Distortions.center(70, 60));
  }
}
