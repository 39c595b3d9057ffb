package dev.fathom.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class StatisticsTest {

  @Test
  void theMedianOfAnOddNumberIsTheMiddle() {
    assertEquals(new Statistics(1, 3, 9), Statistics.of(List.of(9.0, 1.0, 3.0)));
  }

  @Test
  void theMedianOfAnEvenNumberIsBetweenTheMiddleTwo() {
    assertEquals(new Statistics(1, 2.5, 8), Statistics.of(List.of(8.0, 3.0, 1.0, 2.0)));
  }

  @Test
  void oneValueIsAll() {
    assertEquals(new Statistics(2, 2, 2), Statistics.of(List.of(2.0)));
  }

  @Test
  void ratiosAreTakenPairByPair() {
    // A machine that halves its speed after the first round: 0.5 in both, not 5 over 6.
    assertEquals(
        new Statistics(0.5, 0.5, 0.5), Statistics.ofRatios(List.of(1.0, 2.0), List.of(2.0, 4.0)));
  }

  @Test
  void nothingHasNoStatistics() {
    assertThrows(IllegalArgumentException.class, () -> Statistics.of(List.of()));
    assertThrows(
        IllegalArgumentException.class, () -> Statistics.of(List.of(1.0, Double.NaN, 2.0)));
    assertThrows(
        IllegalArgumentException.class, () -> Statistics.ofRatios(List.of(1.0), List.of(1.0, 2.0)));
  }
}
