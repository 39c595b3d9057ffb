package dev.fathom.bindings.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.SharedLibrary;
import dev.fathom.bindings.cuda.VendorLibraries.Offer;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Vendors' libraries: what is said where they are missing, and what they are given. */
class VendorLibrariesTest {

  @TempDir Path folder;

  private final Arena arena = Arena.ofConfined();
  private CudaContext context;
  private CudaStream stream;

  @BeforeEach
  void begin() throws Exception {
    Emulator.library();
    CudaDriver driver = new PanamaCudaDriver();
    driver.init();
    context = CudaContext.open(driver, CudaDevice.of(driver, 0));
    stream = context.newStream();
  }

  @AfterEach
  void end() {
    if (context != null) {
      context.close();
    }
    arena.close();
  }

  private Path compile(String name) throws Exception {
    Path source = folder.resolve(name + ".c");
    try (InputStream in = VendorLibrariesTest.class.getResourceAsStream("/cuda/" + name + ".c")) {
      Files.copy(Objects.requireNonNull(in), source);
    }
    Path library = folder.resolve(name + ".so");
    try {
      Process compiler =
          new ProcessBuilder(
                  "cc",
                  "-std=gnu11",
                  "-Wall",
                  "-Werror",
                  "-shared",
                  "-fPIC",
                  "-o",
                  library.toString(),
                  source.toString())
              .redirectErrorStream(true)
              .start();
      String output = new String(compiler.getInputStream().readAllBytes(), UTF_8);
      assertEquals(0, compiler.waitFor(), output);
    } catch (IOException e) {
      assumeTrue(false, "no C compiler");
    }
    return library;
  }

  /** A tensor of small whole numbers, which bfloat16 has exactly. */
  private DeviceMemory tensor(int[] values) {
    MemorySegment host = arena.allocate(JAVA_SHORT, values.length);
    for (int i = 0; i < values.length; i++) {
      host.setAtIndex(JAVA_SHORT, i, (short) (Float.floatToIntBits(values[i]) >>> 16));
    }
    DeviceMemory tensor = context.allocate(2L * values.length);
    stream.copyToDevice(tensor, host);
    stream.synchronize();
    return tensor;
  }

  private float[] read(DeviceMemory tensor) {
    MemorySegment host = arena.allocate(tensor.byteSize(), 2);
    stream.copyToHost(host, tensor);
    stream.synchronize();
    float[] values = new float[(int) (tensor.byteSize() / 2)];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(host.getAtIndex(JAVA_SHORT, i) << 16);
    }
    return values;
  }

  private static int[] numbers(int count, int seed) {
    int[] values = new int[count];
    for (int i = 0; i < count; i++) {
      values[i] = (i * 7 + seed) % 5 - 2;
    }
    return values;
  }

  private static void assertAbsent(Offer<?> offer, String library) throws Exception {
    try (Arena probe = Arena.ofConfined()) {
      SharedLibrary.open(library, probe);
      assertNotNull(offer.provider(), offer::toString);
    } catch (IOException e) {
      assertTrue(offer.reason().contains(library), offer::toString);
      assertFalse(offer.reason().contains("\n"), offer::toString);
      assertEquals(offer.library() + ": " + offer.reason(), offer.toString());
    }
  }

  @Test
  void whatIsNotInstalledSaysSo() throws Exception {
    List<Offer<GemmProvider>> products = VendorLibraries.gemm(context);
    assertEquals(2, products.size());
    assertAbsent(products.get(0), "libcublas.so.12");
    assertAbsent(products.get(1), "libcublasLt.so.13");
    assertAbsent(VendorLibraries.convolution(context), "libcudnn.so.9");
  }

  @Test
  void aLibraryWithoutTheFunctionsSaysSo() {
    IOException e =
        assertThrows(IOException.class, () -> CublasLtGemm.open(context, List.of("libm.so.6")));
    assertEquals("libm.so.6 has no function cublasLtGetStatusString", e.getMessage());
    e = assertThrows(IOException.class, () -> CudnnConv.open(context, List.of("libm.so.6")));
    assertEquals("libm.so.6 has no function cudnnGetErrorString", e.getMessage());
  }

  @Test
  void cublasLtGetsTheTransposedProduct() throws Exception {
    Path library = compile("fake_cublaslt");
    int rows = 5;
    int inputs = 7;
    int outputs = 3;
    int[] x = numbers(rows * inputs, 1);
    int[] w = numbers(outputs * inputs, 3);
    int[] bias = {10, 20, 30};
    try (GemmProvider gemm = CublasLtGemm.open(context, List.of(library.toString()))) {
      assertTrue(gemm.hasBias());
      assertTrue(gemm.name().startsWith("cuBLASLt ("));
      DeviceMemory dx = tensor(x);
      DeviceMemory dw = tensor(w);
      DeviceMemory dy = tensor(new int[rows * outputs]);
      DeviceMemory dbias = tensor(bias);
      for (boolean biased : new boolean[] {true, false, true}) {
        gemm.multiply(stream, rows, inputs, outputs, dx, dw, biased ? dbias : null, dy);
        float[] y = read(dy);
        for (int m = 0; m < rows; m++) {
          for (int n = 0; n < outputs; n++) {
            int sum = biased ? bias[n] : 0;
            for (int k = 0; k < inputs; k++) {
              sum += x[m * inputs + k] * w[n * inputs + k];
            }
            assertEquals(sum, y[m * outputs + n], "row " + m + ", column " + n);
          }
        }
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> gemm.multiply(stream, rows + 1, inputs, outputs, dx, dw, null, dy));
      DeviceMemory large = context.allocate(4000);
      CudaException e =
          assertThrows(
              CudaException.class,
              () -> gemm.multiply(stream, 1, 1000, 1, large, large, null, large));
      assertTrue(e.getMessage().contains("no algorithm for "), e.getMessage());
    }
    assertNothingLeft(library);
  }

  private void assertNothingLeft(Path library) throws IOException {
    int left =
        SharedLibrary.open(library.toString(), arena)
            .findOrThrow("fake_objects")
            .reinterpret(4)
            .get(JAVA_INT, 0);
    assertEquals(0, left, "objects of the library that were not destroyed");
  }

  /** A convolution and both of its gradients by the definition: [y, dx, dw]. */
  private static int[][] convolved(ConvProvider.Shape s, int[] x, int[] w, int[] dy) {
    int[] y = new int[dy.length];
    int[] dx = new int[x.length];
    int[] dw = new int[w.length];
    int taps = s.kernel() * s.kernel();
    for (int at = 0; at < y.length; at++) {
      int o = at % s.outputs();
      int column = at / s.outputs() % s.outWidth();
      int row = at / s.outputs() / s.outWidth() % s.outHeight();
      int picture = at / s.outputs() / s.outWidth() / s.outHeight();
      for (int tap = 0; tap < taps; tap++) {
        int v = row * s.stride() + tap / s.kernel() - (s.kernel() - 1) / 2;
        int u = column * s.stride() + tap % s.kernel() - (s.kernel() - 1) / 2;
        if (v < 0 || v >= s.height() || u < 0 || u >= s.width()) {
          continue;
        }
        for (int i = 0; i < s.inputs(); i++) {
          int inX = ((picture * s.height() + v) * s.width() + u) * s.inputs() + i;
          int inW = (o * taps + tap) * s.inputs() + i;
          y[at] += x[inX] * w[inW];
          dx[inX] += w[inW] * dy[at];
          dw[inW] += x[inX] * dy[at];
        }
      }
    }
    return new int[][] {y, dx, dw};
  }

  private static void same(int[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], "element " + i);
    }
  }

  @Test
  void cudnnGetsPaddedCrossCorrelationsAndTheirGradients() throws Exception {
    Path library = compile("fake_cudnn");
    try (ConvProvider convolution = CudnnConv.open(context, List.of(library.toString()))) {
      assertTrue(convolution.name().startsWith("cuDNN ("));
      for (ConvProvider.Shape shape :
          List.of(
              new ConvProvider.Shape(2, 3, 4, 2, 3, 3, 1),
              new ConvProvider.Shape(2, 5, 4, 3, 2, 3, 2),
              new ConvProvider.Shape(1, 3, 2, 4, 3, 1, 1))) {
        int[] x = numbers(shape.batch() * shape.height() * shape.width() * shape.inputs(), 2);
        int[] w = numbers(shape.outputs() * shape.kernel() * shape.kernel() * shape.inputs(), 4);
        int[] dy =
            numbers(shape.batch() * shape.outHeight() * shape.outWidth() * shape.outputs(), 1);
        int[][] expected = convolved(shape, x, w, dy);
        DeviceMemory y = tensor(new int[dy.length]);
        DeviceMemory dx = tensor(new int[x.length]);
        DeviceMemory dw = tensor(new int[w.length]);
        DeviceMemory operand = tensor(x);
        DeviceMemory weight = tensor(w);
        DeviceMemory gradient = tensor(dy);
        // Twice: with the plan made and with the plan kept.
        for (int i = 0; i < 2; i++) {
          convolution.convolve(stream, shape, operand, weight, y);
          convolution.inputGradient(stream, shape, weight, gradient, dx);
          convolution.weightGradient(stream, shape, operand, gradient, dw);
        }
        same(expected[0], read(y));
        same(expected[1], read(dx));
        same(expected[2], read(dw));
        ConvProvider.Shape larger =
            new ConvProvider.Shape(3, 9, 9, shape.inputs(), shape.outputs(), 3, 1);
        assertThrows(
            IllegalArgumentException.class,
            () -> convolution.convolve(stream, larger, operand, weight, y));
        assertThrows(
            IllegalArgumentException.class,
            () -> convolution.inputGradient(stream, larger, weight, gradient, dx));
        assertThrows(
            IllegalArgumentException.class,
            () -> convolution.weightGradient(stream, larger, operand, gradient, dw));
      }
    }
    assertNothingLeft(library);
  }
}
