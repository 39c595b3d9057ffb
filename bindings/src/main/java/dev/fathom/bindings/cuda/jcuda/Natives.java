package dev.fathom.bindings.cuda.jcuda;

/** Loads JCuda's native libraries. */
public final class Natives {

  private Natives() {}

  /**
   * Loads a library for the classes of this class's loader, which are JCuda's too.
   *
   * @param file an absolute path
   * @throws UnsatisfiedLinkError if the dynamic linker does not take it, or lacks what it needs
   */
  public static void load(String file) {
    System.load(file);
  }
}
