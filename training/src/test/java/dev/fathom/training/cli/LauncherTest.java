package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** bin/fathom in a checkout whose path has spaces, with a jar that prints what it is given. */
@Timeout(60)
final class LauncherTest {
  @TempDir Path folder;
  private Path checkout;

  /** Stands for the command line. */
  static final class Echo {
    private Echo() {}

    public static void main(String[] args) {
      System.out.println(String.join("|", args) + "|" + System.getProperty("fathom.test"));
    }
  }

  @BeforeEach
  void copyScripts() throws IOException {
    checkout = folder.resolve("a check out");
    Files.createDirectories(checkout.resolve("bin"));
    for (String script : List.of("fathom", "find-jdk")) {
      // Tests run in the module's folder.
      Path copy = Files.copy(Path.of("..", "bin", script), checkout.resolve("bin/" + script));
      assertTrue(copy.toFile().setExecutable(true));
    }
  }

  private void build() throws IOException {
    Path target = Files.createDirectories(checkout.resolve("training/target/lib")).getParent();
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, Echo.class.getName());
    String entry = Echo.class.getName().replace('.', '/') + ".class";
    try (JarOutputStream jar =
            new JarOutputStream(
                Files.newOutputStream(target.resolve("fathom-training-0.1.0.jar")), manifest);
        InputStream type = Echo.class.getClassLoader().getResourceAsStream(entry)) {
      jar.putNextEntry(new JarEntry(entry));
      type.transferTo(jar);
    }
  }

  /** Exit code, then everything printed. */
  private List<String> run(Path launcher, String... args) throws Exception {
    List<String> command = new ArrayList<>(List.of(launcher.toString()));
    command.addAll(Arrays.asList(args));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("JAVA_OPTS", "-Xmx64m -Dfathom.test=yes");
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    Process process = builder.start();
    String text =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    return List.of(Integer.toString(process.waitFor()), text);
  }

  @Test
  void saysWhenNothingIsBuilt() throws Exception {
    assertEquals(
        List.of("1", "fathom: not built yet: run make first"),
        run(checkout.resolve("bin/fathom"), "--version"));
  }

  @Test
  void passesArgumentsAndOptionsThroughSpacesAndLinks() throws Exception {
    build();
    List<String> expected = List.of("0", "predict|a b.png|*|yes");
    assertEquals(expected, run(checkout.resolve("bin/fathom"), "predict", "a b.png", "*"));
    Path relative = Files.createSymbolicLink(checkout.resolve("here"), Path.of("bin", "fathom"));
    Path absolute = Files.createSymbolicLink(folder.resolve("there"), relative);
    assertEquals(expected, run(absolute, "predict", "a b.png", "*"));
  }
}
