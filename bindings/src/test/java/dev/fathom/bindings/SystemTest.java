package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names of platforms, and JDKs that are not to be trusted. */
class SystemTest {

  @ParameterizedTest
  @CsvSource({
    "Linux, amd64, false, linux-x86_64",
    "Linux, x86_64, false, linux-x86_64",
    "Linux, aarch64, false, linux-aarch64",
    "Linux, amd64, true, linux-x86_64-musl",
    "Linux, riscv64, false, linux-riscv64",
    "Mac OS X, aarch64, false, mac-aarch64",
    "Windows Server 2022, amd64, false, windows-x86_64",
  })
  void platformsHaveTheNamesOfTheJars(String os, String arch, boolean musl, String name) {
    Platform platform = Platform.of(os, arch, "libfathom.so", musl);
    assertEquals(name, platform.name());
    assertEquals("dev/fathom/native/" + name + "/libfathom.so", platform.resource());
    assertEquals(musl, platform.isMusl());
    assertEquals(
        name.equals("linux-x86_64") || name.equals("linux-aarch64"), platform.isSupported());
  }

  @ParameterizedTest
  @ValueSource(strings = {"25", "25.0.1+8", "25.0.2+10-LTS"})
  void earlyJdksAreNamed(String version) {
    String warning = JdkCheck.warning(Runtime.Version.parse(version)).orElseThrow();
    assertTrue(warning.startsWith("JDK " + version), warning);
    assertTrue(warning.contains("JDK-8377811") && warning.contains("25.0.3"), warning);
    assertFalse(warning.contains("\n"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"25.0.3+9-LTS", "25.0.10", "25.1", "26", "27.0.1"})
  void laterJdksAreTrusted(String version) {
    assertTrue(JdkCheck.warning(Runtime.Version.parse(version)).isEmpty());
  }

  @Test
  void thisProcessHasAPlatform() {
    assertTrue(Platform.current().name().matches("[a-z]+-[a-z0-9_]+(-musl)?"));
  }
}
