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
    domain.layout().lay(stage);
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
      frame.ray(i % PROBE + 0.5, i / PROBE + 0.5, ray);
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
    double nearest1 = disparity[hits - 1];
    double relief = (1 - far / near) / 0.5;
    double covered = ground / 0.35;
    double close = 1 / (nearest1 * 0.4);
    double blocked = 1 / (near * 0.7);
    return Math.min(Math.min(relief, covered), Math.min(close, blocked));
  }
}
