package dev.fathom.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What surrounds the timing: which operators there are, and that a wrong result is found. */
class OperatorsTest {

  @ParameterizedTest
  @EnumSource(Family.class)
  void everyFamilyHasLayers(Family family) {
    assertFalse(family.layers().isEmpty());
    assertEquals(family.layers(), Family.choose(List.of(family.label())));
  }

  @Test
  void filtersChooseFamiliesAndLayers() {
    assertEquals(
        "[linear.fc1, attention.attention]",
        Family.choose(List.of("attention", "linear.fc1")).toString());
    assertEquals("[linear.proj]", Family.choose(List.of("linear.proj")).toString());
    assertEquals(2, Family.choose(List.of("linear.pr")).size());
    assertThrows(
        IllegalArgumentException.class, () -> Family.choose(List.of("linear", "linear.fc3")));
  }

  @Test
  void aWrongElementIsFound() {
    try (NativeMemory memory = new NativeMemory()) {
      Tensor y = memory.allocate(2, 5);
      Runnable run = () -> y.set(new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8, Float.NaN});
      Operator wrong = new Operator("ten", Operator.Unit.CALL, 1, 1e-6, run, y, i -> i);
      AssertionError error = assertThrows(AssertionError.class, wrong::check);
      assertTrue(String.valueOf(error.getMessage()).startsWith("ten: element 9 is NaN"));
      Operator right = new Operator("ten", Operator.Unit.CALL, 1, 1e-6, () -> {}, y, i -> i);
      y.set(new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
      right.check();
    }
  }

  // Abramowitz and Stegun, table 7.1.
  @ParameterizedTest
  @CsvSource({"0, 0", "0.5, 0.5204998778", "1, 0.8427007929", "-2, -0.9953222650"})
  void erfIsAsTabulated(double x, double expected) {
    assertEquals(expected, Reference.erf(x), 1e-10);
  }
}
