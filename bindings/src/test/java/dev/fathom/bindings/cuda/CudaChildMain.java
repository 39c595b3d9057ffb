package dev.fathom.bindings.cuda;

import dev.fathom.bindings.SharedLibrary;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What tests run in a JVM of its own: the probe is made once per process. */
final class CudaChildMain {

  private CudaChildMain() {}

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "find-driver" -> findDriver();
      case "probe" -> probe();
      case "work" -> work();
      case "fault" -> fault();
      case "leak" -> leak();
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** Whether this machine has a libcuda.so.1; in the tests' own process the emulator is one. */
  private static void findDriver() {
    try (Arena arena = Arena.ofConfined()) {
      SharedLibrary.open("libcuda.so.1", arena);
      System.out.println("present");
    } catch (IOException e) {
      System.out.println("absent");
    }
  }

  private static void probe() {
    CudaProbe probe = CudaProbe.get();
    System.out.println("usable " + probe.isUsable());
    System.out.println("reason [" + probe.reason() + "]");
    System.out.println("description [" + probe.description() + "]");
    if (!probe.isUsable()) {
      try {
        CudaContext.open().close();
      } catch (IllegalStateException e) {
        System.out.println("open [" + e.getMessage() + "]");
      }
    }
  }

  private static void work() {
    try (CudaContext context = CudaContext.open();
        CudaStream stream = context.newStream();
        PinnedMemory host = context.allocatePinned(4)) {
      DeviceMemory memory = context.allocate(4);
      stream.fillWords(memory, 31);
      stream.copyToHost(host.segment(), memory);
      stream.synchronize();
      System.out.println("result " + host.segment().get(ValueLayout.JAVA_INT, 0));
    }
  }

  /** A kernel writes where it must not: the context is lost, and every later call says so. */
  private static void fault() throws Exception {
    CudaContext context = CudaContext.open();
    try (Arena arena = Arena.ofConfined()) {
      CudaStream stream = context.newStream();
      CudaKernel kernel = context.load(Emulator.kernels(arena)).kernel("test_axpy");
      DeviceMemory x = context.allocate(4);
      MemorySegment args = arena.allocate(24, 8);
      args.set(ValueLayout.JAVA_LONG, 0, x.address());
      args.set(ValueLayout.JAVA_LONG, 8, x.address() + (1L << 30));
      args.set(ValueLayout.JAVA_INT, 16, 1);
      try {
        kernel.launch(stream, LaunchConfig.of(1, 1, 0), args);
        stream.synchronize();
      } catch (CudaException e) {
        System.out.println("fault " + e.errorName() + " lost " + e.isContextLost());
      }
    }
    try {
      context.close();
    } catch (CudaException e) {
      System.out.println("close " + e.errorName() + " open " + context.isOpen());
    }
  }

  /** Opens a context, forgets it, and collects for two seconds. */
  private static void leak() throws InterruptedException {
    Thread thread = new Thread(CudaContext::open);
    thread.start();
    thread.join();
    for (int i = 0; i < 100; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }
}
