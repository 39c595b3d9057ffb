package dev.fathom.bindings;

import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_linear_args;

/** What tests run in a JVM of its own, where the state of NativeLibrary is fresh. */
final class ChildMain {

  private ChildMain() {}

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "load" -> System.out.println(NativeLibrary.load());
      case "open" -> {
        try (CpuContext context = CpuContext.open(1, CpuIsa.AUTO)) {
          System.out.println("opened " + context.threads());
        }
      }
      case "leak" -> leak();
      case "fail-twice" -> failTwice();
      case "classes-only" -> classesOnly();
      case "close-while-busy" -> closeWhileBusy();
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** Opens a context, forgets it, and collects for two seconds. */
  private static void leak() throws InterruptedException {
    CpuContext.open(2, CpuIsa.AUTO);
    for (int i = 0; i < 100; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }

  private static void failTwice() {
    FathomLoadException first = failure(NativeLibrary::load);
    FathomLoadException second = failure(CpuContext::open);
    System.out.println(first == second ? "the same exception" : "another exception");
    System.out.println(first.getMessage());
  }

  private static FathomLoadException failure(Runnable use) {
    try {
      use.run();
    } catch (FathomLoadException e) {
      return e;
    }
    throw new AssertionError("no failure");
  }

  /** There is no library to load: whatever tries to fails. */
  private static void classesOnly() {
    System.out.println(FathomNative.FATHOM_ABI_VERSION());
    System.out.println(CpuIsa.AVX512.code());
    System.out.println(Native.arguments(fathom_linear_args.layout()).byteSize());
    System.out.println(NativeLibrary.lookup());
    System.out.println("nothing loaded");
  }

  /** The library is a fake whose scratch_bytes is slow and whose destroy tells if it is running. */
  private static void closeWhileBusy() throws InterruptedException {
    CpuContext context = CpuContext.open(1, CpuIsa.PORTABLE);
    Thread caller = new Thread(() -> System.out.println("bytes " + context.scratchBytes()));
    caller.start();
    while (FathomNative.fathom_best_isa() == 0) {
      Thread.sleep(1);
    }
    context.close();
    caller.join();
    System.out.println("closed");
  }
}
