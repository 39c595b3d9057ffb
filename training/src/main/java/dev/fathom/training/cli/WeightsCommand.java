package dev.fathom.training.cli;

import picocli.CommandLine;

/** The group of commands about published checkpoints. */
@CommandLine.Command(
    name = "weights",
    description = "Published checkpoints: list them, download them.",
    subcommands = {WeightsListCommand.class, WeightsDownloadCommand.class})
final class WeightsCommand {}
