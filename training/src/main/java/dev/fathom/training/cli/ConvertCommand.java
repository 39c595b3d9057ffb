package dev.fathom.training.cli;

import dev.fathom.nn.checkpoint.Converter;
import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fathom convert}: a checkpoint in another format. */
@CommandLine.Command(
    name = "convert",
    description = "Converts a checkpoint between torch.save (.pth, .pt) and safetensors.")
final class ConvertCommand extends Command {
  @Parameters(index = "0", paramLabel = "SOURCE", description = "The checkpoint.")
  private Path source = Path.of("");

  @Parameters(
      index = "1",
      paramLabel = "TARGET",
      description = "The copy; its extension gives the format.")
  private Path target = Path.of("");

  @Option(
      names = "--keep-names",
      description = "Leave the tensors' names as they are. Default: the published names.")
  private boolean keepNames;

  @Option(
      names = "--metadata",
      paramLabel = "KEY=VALUE",
      description = "Metadata to add, such as fathom.release=v2. May be repeated.")
  private Map<String, String> metadata = new LinkedHashMap<>();

  @Option(
      names = {"-f", "--force"},
      description = "Replace the target if it is there.")
  private boolean force;

  @Override
  protected int run(Console console) throws IOException {
    if (Files.exists(target) && !force) {
      throw new UserException(target, "is there already; --force replaces it");
    }
    Converter.Names names = keepNames ? Converter.Names.AS_IS : Converter.Names.CANONICAL;
    try {
      Converter.Result result = Converter.convert(source, target, names, metadata);
      console.note(
          String.format(
              Locale.ROOT,
              "wrote %s: %s, %d tensors, %.1f MB",
              target,
              result.format(),
              result.tensors(),
              result.bytes() / 1e6));
      return ExitCode.OK;
    } catch (IllegalArgumentException e) {
      throw new UserException("TARGET", String.valueOf(e.getMessage()), e);
    }
  }
}
