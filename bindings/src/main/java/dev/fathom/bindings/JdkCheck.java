package dev.fathom.bindings;

import java.util.Optional;

/** What is known to be wrong with the running JDK. */
final class JdkCheck {

  private JdkCheck() {}

  /**
   * One line for the log, if this version is not to be trusted with native memory: on 25.0.0 to
   * 25.0.2 the G1 collector may move pinned arrays (JDK-8377811).
   */
  static Optional<String> warning(Runtime.Version version) {
    if (version.feature() == 25 && version.interim() == 0 && version.update() < 3) {
      return Optional.of(
          "JDK "
              + version
              + " may corrupt arrays that native code works on (JDK-8377811, G1 moves pinned"
              + " arrays): install JDK 25.0.3 or newer");
    }
    return Optional.empty();
  }
}
