package dev.fathom.bindings;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Libraries, environments and JVMs for the tests of the loader. */
final class Fixtures {

  /** The version of this build: what the jar's own resource says. */
  static final String VERSION = LibraryLoader.Environment.current().version();

  /** A library that says what it is told to be and has nothing else. */
  static final String HANDSHAKE =
      """
      int fathom_abi_version(void) { return %d; }
      const char* fathom_version(void) { return "%s"; }
      """;

  private Fixtures() {}

  /** The library that this build made, as the class path has it. */
  static URL realLibrary() {
    return Objects.requireNonNull(
        Fixtures.class.getClassLoader().getResource(Platform.current().resource()),
        "fathom-kernels is not on the test class path");
  }

  static byte[] realContent() throws IOException {
    try (InputStream in = realLibrary().openStream()) {
      return in.readAllBytes();
    }
  }

  /** Compiles a shared library; without a C compiler the test is skipped. */
  static Path compile(Path folder, String source) throws Exception {
    Files.createDirectories(folder);
    Path code = Files.writeString(folder.resolve("fake.c"), source);
    Path library = folder.resolve(Platform.current().libraryFile());
    Process compiler;
    try {
      compiler =
          new ProcessBuilder("cc", "-shared", "-fPIC", "-o", library.toString(), code.toString())
              .redirectErrorStream(true)
              .start();
    } catch (IOException e) {
      assumeTrue(false, "no C compiler");
      throw e;
    }
    String output = new String(compiler.getInputStream().readAllBytes(), UTF_8);
    assertTrue(compiler.waitFor() == 0, output);
    return library;
  }

  /** An environment in which nothing is set and nothing is to be found. */
  static final class Env {
    final Map<String, String> properties = new HashMap<>();
    final Map<String, String> variables = new HashMap<>();
    final Map<String, URL> resources = new HashMap<>();
    Platform platform = Platform.current();
    Runtime.Version jdk = Runtime.version();

    Env property(String name, Object value) {
      properties.put(name, value.toString());
      return this;
    }

    Env withRealResource() {
      resources.put(platform.resource(), realLibrary());
      return this;
    }

    LibraryLoader loader() {
      return new LibraryLoader(
          new LibraryLoader.Environment(
              properties::get, variables::get, resources::get, platform, VERSION, jdk));
    }
  }

  /** What a JVM of its own said, standard output and error together. */
  record Outcome(int exit, String output) {}

  /** Starts {@link ChildMain}; with or without the native library on its class path. */
  static Process startJvm(boolean withKernels, List<String> jvmArguments, String scenario)
      throws IOException {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .filter(entry -> withKernels || !entry.contains("kernels"))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xshare:auto");
    command.addAll(jvmArguments);
    command.addAll(List.of("-cp", classPath, ChildMain.class.getName(), scenario));
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  static Outcome await(Process process) throws Exception {
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the JVM does not end; so far: " + output);
    return new Outcome(process.exitValue(), output);
  }
}
