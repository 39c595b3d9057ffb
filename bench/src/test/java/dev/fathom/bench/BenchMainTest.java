package dev.fathom.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** Wrong arguments end it before anything is measured, with one line that says what is wrong. */
class BenchMainTest {

  @ParameterizedTest
  @CsvSource({
    "--models, vits:vitx, no model 'vitx'",
    "--models, vitg, no model 'vitg'",
    "--threads, 0, --threads: 0",
    "--threads, 2:1025, --threads: 1025",
    "--threads, two, two",
    "--isa, avx1024, no instruction set 'avx1024'",
    "--filter, conv:conw, no operator 'conw'",
    "--peers, mkl, no library 'mkl'",
    "--iterations, 0, --iterations: 0",
    "--rounds, -1, --rounds: -1",
    "--weights, /nowhere.safetensors, cannot read /nowhere.safetensors",
    "--onnx, /nowhere.onnx, --onnx needs --weights",
    "--colour, red, --colour"
  })
  void wrongArgumentsAreNamed(String option, String value, String message) {
    StringWriter err = new StringWriter();
    CommandLine line = BenchMain.commandLine().setErr(new PrintWriter(err));
    assertEquals(2, line.execute(option, value.replace(':', ',')));
    assertTrue(err.toString().contains(message), err::toString);
    assertEquals(1, err.toString().lines().count(), err::toString);
  }

  @Test
  void nothingToRunIsAReportOfTheMachine() {
    StringWriter out = new StringWriter();
    CommandLine line = BenchMain.commandLine().setOut(new PrintWriter(out));
    assertEquals(0, line.execute("--filter", "none"));
    assertTrue(out.toString().contains("- processor: "), out::toString);
    assertTrue(out.toString().contains("- kernel: "), out::toString);
  }
}
