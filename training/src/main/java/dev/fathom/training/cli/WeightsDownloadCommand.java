package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.weights.Catalogue;
import dev.fathom.training.weights.Checkpoint;
import dev.fathom.training.weights.DownloadListener;
import dev.fathom.training.weights.DownloadSettings;
import dev.fathom.training.weights.Downloader;
import dev.fathom.training.weights.License;
import dev.fathom.training.weights.LicenseAcceptance;
import dev.fathom.training.weights.WeightsCache;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fathom weights download}. */
@CommandLine.Command(
    name = "download",
    description = "Downloads a published checkpoint into the cache, or what is missing of it.")
final class WeightsDownloadCommand extends Command {
  @Parameters(paramLabel = "NAME", description = "What 'fathom weights list' shows.")
  private String name;

  @Option(
      names = "--mirror",
      paramLabel = "URL",
      defaultValue = Catalogue.HOST,
      description = "Asked instead of ${DEFAULT-VALUE}.")
  private String mirror;

  @Option(
      names = "--accept-license",
      description = "Accepts the checkpoint's licence without being asked.")
  private boolean acceptLicense;

  @Option(
      names = "--sha256",
      paramLabel = "HEX",
      description = "The checksum that the file must have, whatever the server announces.")
  private @Nullable String sha256;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description = "The folder of downloaded checkpoints.")
  private @Nullable Path folder;

  @Override
  protected int run(Console console) throws IOException {
    if (sha256 != null && !sha256.matches("[0-9a-fA-F]{64}")) {
      throw new UserException("--sha256", "is not 64 hexadecimal digits: " + sha256);
    }
    Checkpoint checkpoint = Catalogue.find(name).orElseThrow(() -> WeightsCache.unknownName(name));
    WeightsCache cache = folder == null ? WeightsCache.ofUser() : new WeightsCache(folder);
    requireLicense(checkpoint, cache, console);
    Downloader downloader = new Downloader(cache, DownloadSettings.DEFAULT, System.getenv());
    Path file =
        downloader.download(checkpoint, mirror, sha256, new Display(checkpoint.name(), console));
    console.out().println(file);
    return ExitCode.OK;
  }

  private void requireLicense(Checkpoint checkpoint, WeightsCache cache, Console console)
      throws IOException {
    License license = checkpoint.license();
    LicenseAcceptance acceptance = new LicenseAcceptance(cache);
    if (acceptance.covers(license)) {
      return;
    }
    String terms =
        "its licence is " + license.spdx() + ", no commercial use (" + license.address() + ")";
    if (!acceptLicense && !console.confirm(checkpoint.name() + ": " + terms + ". Accept?")) {
      throw new UserException(
          checkpoint.name(), terms + "; accept it with --accept-license to download");
    }
    acceptance.accept(checkpoint);
  }

  /** Shows a download on the console. */
  private static final class Display implements DownloadListener {
    private final String task;
    private final Console console;
    private @Nullable Progress progress;

    Display(String task, Console console) {
      this.task = task;
      this.console = console;
    }

    @Override
    public void note(String message) {
      console.note(message);
    }

    @Override
    public void begin(long total, long first) {
      progress = console.progress(task, total, Progress.Unit.BYTES, first);
    }

    @Override
    public void at(long bytes) {
      if (progress != null) {
        progress.stepTo(bytes);
      }
    }

    @Override
    public void end() {
      if (progress != null) {
        progress.close();
        progress = null;
      }
    }
  }
}
