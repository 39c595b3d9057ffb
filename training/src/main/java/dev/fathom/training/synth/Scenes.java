package dev.fathom.training.synth;

import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import dev.fathom.training.synth.BoxTree.Nearest;
import java.util.Arrays;

/**
 * Scenes by number. A layout that would make a poor picture - something right before the lens,
 * hardly any relief, nearly all sky - is thrown away and the next drawn from the same stream.
 */
final class Scenes {
  /** Rays along each side of the probing picture. */
  private static final int PROBE = 24;

  private static final int ATTEMPTS = 30;

  /** The 5th percentile of disparity is so much smaller than the 95th, sky left out. */
  static final double RELIEF = 0.5;

  /** At least this share of the picture is not sky. */
  private static final double COVERED = 0.35;

  /** Depths in metres: of the nearest pixel, of the nearest twentieth, of the middle one. */
  private static final double NEAREST = 0.4;

  private static final double FOREGROUND = 0.7;
  private static final double MIDDLE = 1.8;

  private Scenes() {}

  /** The scene of a domain with a number; the same whatever the size of its pictures. */
  static Scene of(Domain domain, long seed, int index) {
    Philox random = new Philox(seed, Purpose.SCENE, domain.code(), index);
    Scene best = attempt(domain, random);
    double score = score(best);
    for (int i = 1; i < ATTEMPTS && score < 1; i++) {
      Scene next = attempt(domain, random);
      double nextScore = score(next);
      if (nextScore > score) {
        best = next;
        score = nextScore;
      }
    }
    return best;
  }

  private static Scene attempt(Domain domain, Philox random) {
    Stage stage = new Stage(random);
    domain.lay(stage);
    return stage.scene();
  }

  /** 1 or more for a good picture; less the poorer it is. */
  private static double score(Scene scene) {
    Camera.Frame frame = scene.camera.frame(PROBE, PROBE);
    Ray ray = new Ray();
    Nearest nearest = new Nearest();
    double[] disparity = new double[PROBE * PROBE];
    int hits = 0;
    for (int i = 0; i < PROBE * PROBE; i++) {
      int row = i / PROBE;
      frame.ray(i % PROBE + 0.5, row + 0.5, ray);
      scene.nearest(ray, nearest);
      if (nearest.surface != null) {
        disparity[hits++] = 1 / nearest.t;
      }
    }
    double ground = hits / (double) (PROBE * PROBE);
    if (ground < 0.1) {
      return 0;
    }
    Arrays.sort(disparity, 0, hits);
    double far = disparity[hits / 20];
    double near = disparity[hits - 1 - hits / 20];
    double relief = (1 - far / near) / RELIEF;
    double covered = ground / COVERED;
    // Depths that a pixel, a twentieth of the pixels and half of the pixels may not fall below.
    double closest = 1 / (disparity[hits - 1] * NEAREST);
    double foreground = 1 / (near * FOREGROUND);
    double middle = 1 / (disparity[hits / 2] * MIDDLE);
    return Math.min(Math.min(relief, covered), Math.min(closest, Math.min(foreground, middle)));
  }
}
