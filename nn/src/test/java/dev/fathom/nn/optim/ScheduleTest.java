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
    Schedule schedule = new Schedule.OneCycle(0.7, 25, 1e4);
    assertEquals(0.04, schedule.factor(0, 10), 1e-12);
    assertEquals(0.52, schedule.factor(3, 10), 1e-12);
    assertEquals(1, schedule.factor(6, 10), 1e-12);
    assertEquals(0.75 + 0.25 * 0.04 / 1e4, schedule.factor(7, 10), 1e-12);
    assertEquals(0.04 / 1e4, schedule.factor(9, 10), 1e-12);
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
    assertThrows(IllegalArgumentException.class, () -> new Schedule.OneCycle(1.5, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new Schedule.Linear().factor(-1, 10));
  }
}
