package dev.fathom.nn.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class ScheduleTest {

  @Test
  void linearAndPolyFallToZero() {
    assertEquals(1, new Schedule.Linear().factor(0, 10));
    assertEquals(0.3, new Schedule.Linear().factor(7, 10), 1e-12);
    assertEquals(0, new Schedule.Linear().factor(10, 10));
    assertEquals(Math.pow(0.3, 0.9), new Schedule.Poly(0.9).factor(7, 10), 1e-12);
  }

  /** torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10, pct_start=.7, div 25, 1e4). */
  @Test
  void oneCycleIsTorchs() {
    Schedule schedule = new Schedule.OneCycle(0.7, 25, 1e4, null);
    assertEquals(0.04, schedule.factor(0, 10), 1e-12);
    assertEquals(0.52, schedule.factor(3, 10), 1e-12);
    assertEquals(1, schedule.factor(6, 10), 1e-12);
    assertEquals(0.75 + 0.25 * 0.04 / 1e4, schedule.factor(7, 10), 1e-12);
    assertEquals(0.04 / 1e4, schedule.factor(9, 10), 1e-12);
  }

  /** As above with cycle_momentum=True, base_momentum=0.85, max_momentum=0.95. */
  @Test
  void oneCyclesMomentumIsTorchs() {
    Schedule schedule = new Schedule.OneCycle(0.7, 25, 1e4, new Schedule.Momentum(0.85, 0.95));
    // (1 + cos(pi i / 6)) / 2 of the way from 0.85 to 0.95, then (1 - cos(pi (i - 6) / 3)) / 2.
    double[] expected = {
      0.95, 0.9433012701892219, 0.925, 0.9, 0.875, 0.8566987298107781, 0.85, 0.875, 0.925, 0.95
    };
    for (int step = 0; step < expected.length; step++) {
      assertEquals(expected[step], schedule.beta1(step, 10, 0.9), 1e-15, "step " + step);
    }
    assertEquals(0.95, schedule.beta1(11, 10, 0.9), 1e-15);
    Schedule warmed = new Schedule.Warmup(4, schedule);
    assertEquals(0.95, warmed.beta1(2, 14, 0.9));
    assertEquals(expected[3], warmed.beta1(7, 14, 0.9), 1e-15);
  }

  @Test
  void otherSchedulesLeaveMomentumAlone() {
    Schedule still = new Schedule.OneCycle(0.3, 25, 1e4, null);
    for (Schedule schedule :
        new Schedule[] {
          still, new Schedule.Linear(), new Schedule.Constant(), new Schedule.Warmup(2, still)
        }) {
      for (int step = 0; step < 10; step++) {
        assertEquals(0.9, schedule.beta1(step, 10, 0.9));
      }
    }
  }

  @Test
  void warmupRisesThenFollows() {
    Schedule schedule = new Schedule.Warmup(4, new Schedule.Linear());
    assertEquals(0.2, schedule.factor(0, 14), 1e-12);
    assertEquals(0.8, schedule.factor(3, 14), 1e-12);
    assertEquals(1, schedule.factor(4, 14), 1e-12);
    assertEquals(0.5, schedule.factor(9, 14), 1e-12);
  }

  @Test
  void nonsenseIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Schedule.Poly(0));
    assertThrows(IllegalArgumentException.class, () -> new Schedule.OneCycle(1.5, 1, 1, null));
    assertThrows(IllegalArgumentException.class, () -> new Schedule.Momentum(0.9, 0.8));
    assertThrows(IllegalArgumentException.class, () -> new Schedule.Momentum(0.9, 1));
    assertThrows(IllegalArgumentException.class, () -> new Schedule.Linear().factor(-1, 10));
  }
}
