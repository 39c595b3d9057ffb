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
    // A family is not the beginning of another's name.
    assertEquals(Family.LINEAR.layers(), Family.choose(List.of("linear")));
    assertEquals(Family.LINEAR_BACKWARD.layers(), Family.choose(List.of("linear_back")));
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

  /** Central differences of what goes forward. */
  @Test
  void slopesOfReferencesAreThoseOfTheirFunctions() {
    for (double x : new double[] {-3, -0.5, 0, 0.7, 2.5}) {
      double slope = (Reference.gelu(x + 1e-5) - Reference.gelu(x - 1e-5)) / 2e-5;
      assertEquals(slope, Reference.geluSlope(x), 1e-8);
    }
    double[] prediction = {0.3, -1.2, 0.9, 2.1, -0.4, 0.05, 1.4, -0.8, 0.6};
    double[] target = {0.1, -0.7, 1.3, 1.0, -0.9, 0.4, 0.2, -1.1, 1.7};
    LossReference reference = new LossReference(prediction, target);
    double[] whole = reference.residuals(_ -> true, 0);
    double sum = 0;
    double moment = 0;
    for (int i = 0; i < whole.length; i++) {
      sum += whole[i];
      moment += whole[i] * prediction[i];
    }
    // Neither a shift nor a scale of the prediction changes the loss.
    assertEquals(0, sum, 1e-15);
    assertEquals(0, moment, 1e-15);
  }

  // Abramowitz and Stegun, table 7.1.
  @ParameterizedTest
  @CsvSource({"0, 0", "0.5, 0.5204998778", "1, 0.8427007929", "-2, -0.9953222650"})
  void erfIsAsTabulated(double x, double expected) {
    assertEquals(expected, Reference.erf(x), 1e-10);
  }
}
