package dev.fathom.training.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PhiloxTest {

  /** The known answers published with the generator (Random123, kat_vectors). */
  @Test
  void theFunctionGivesThePublishedAnswers() {
    assertArrayEquals(
        new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        Philox.rounds(0, 0, 0, 0, 0, 0));
    assertArrayEquals(
        new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        Philox.rounds(-1, -1, -1, -1, -1, -1));
    assertArrayEquals(
        new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
        Philox.rounds(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0));
  }

  @Test
  void aStreamDependsOnEveryPartOfItsName() {
    int first = new Philox(1, Purpose.CROP, 0, 0).nextInt();
    assertEquals(first, new Philox(1, Purpose.CROP, 0, 0).nextInt());
    assertNotEquals(first, new Philox(2, Purpose.CROP, 0, 0).nextInt());
    assertNotEquals(first, new Philox(1L << 32 | 1, Purpose.CROP, 0, 0).nextInt());
    assertNotEquals(first, new Philox(1, Purpose.SCENE, 0, 0).nextInt());
    assertNotEquals(first, new Philox(1, Purpose.CROP, 1, 0).nextInt());
    assertNotEquals(first, new Philox(1, Purpose.CROP, 0, 1).nextInt());
    assertNotEquals(first, new Philox(1, Purpose.CROP, 0, 1L << 32).nextInt());
  }

  @Test
  void numbersHaveTheirDistributions() {
    Philox random = new Philox(7, Purpose.SCENE, 0, 0);
    int n = 100_000;
    double sum = 0;
    double squares = 0;
    int[] counts = new int[7];
    for (int i = 0; i < n; i++) {
      double u = random.nextDouble();
      assertTrue(u >= 0 && u < 1);
      double g = random.nextGaussian();
      sum += g;
      squares += g * g;
      counts[random.nextInt(7)]++;
    }
    assertEquals(0, sum / n, 0.02);
    assertEquals(1, squares / n, 0.03);
    for (int count : counts) {
      assertEquals(n / 7.0, count, 600);
    }
  }

  @Test
  void aPermutationHasEveryNumberOnce() {
    int[] order = new Philox(3, Purpose.SHUFFLE, 2, 0).permutation(1000);
    assertTrue(order[0] != 0 || order[1] != 1 || order[2] != 2);
    Arrays.sort(order);
    assertArrayEquals(IntStream.range(0, 1000).toArray(), order);
  }
}
