package dev.fathom.training.synth;

import dev.fathom.training.picture.DepthFormat;

/** The text that explains a folder of rendered pictures to whoever finds it. */
final class SynthReadme {
  private SynthReadme() {}

  static String of(SynthDataSet set, DepthFormat format, int shards) {
    StringBuilder text =
        new StringBuilder(
            """
            Rendered pictures with exact depth, made by `fathom synth`.

            """);
    text.append(
        shards > 0
            ? """
            index.tsv lists the shards, one a line, with a header: name, samples, bytes. They are tar files whose
            members are the files of the samples, named as WebDataset names them.

            """
            : """
            index.tsv lists the samples, one a line, with a header: id, then the files, relative to this folder.

            """);
    text.append("<id>.png          the picture, 8-bit sRGB\n");
    text.append(
        format == DepthFormat.PNG16
            ? """
            <id>.depth.png    depth, 16-bit grey, in millimetres; 0 where there is none: sky, and what is
                              farther than 65.535 m
            """
            : """
            <id>.depth.%-6s depth, float32, in metres; positive infinity for sky
            """
                .formatted(format.label()));
    text.append(
        """
        <id>.sky.png      8-bit grey, 255 where there is sky, 0 elsewhere
        <id>.classes.png  8-bit grey, the class of each pixel as listed below

        Depth is the distance along the camera's axis (not along the ray) of what is seen at the middle of a
        pixel. Pictures are antialiased, depth and classes are not.

        Classes:
        """);
    for (SceneClass kind : SceneClass.values()) {
      text.append("%3d %s\n".formatted(kind.code(), kind.label()));
    }
    text.append("\nDomains:\n");
    for (Domain domain : set.domains()) {
      text.append("%-12s %s\n".formatted(domain.label(), domain.description()));
    }
    return text.append("\nSet: ").append(set.name()).append('\n').toString();
  }
}
