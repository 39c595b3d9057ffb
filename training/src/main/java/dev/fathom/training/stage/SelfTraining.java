package dev.fathom.training.stage;

import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** The whole pipeline of Depth Anything, in one folder. */
public final class SelfTraining {

  private SelfTraining() {}

  /**
   * Runs or goes on with a run: teacher, pseudo-labels, student, comparison, report.
   *
   * @return the comparison of teacher and student
   * @throws dev.fathom.training.UserException if the folder is another run's or in use, or as the
   *     stages do
   */
  public static Comparison run(RunConfig config, Path folder, StageListener listener)
      throws IOException {
    return run(config, folder, new Sources(config.threads(), listener), listener);
  }

  /** As above, with data sets that several runs share. */
  static Comparison run(RunConfig config, Path folder, Sources sources, StageListener listener)
      throws IOException {
    List<String> names =
        config.student().unlabelled()
            ? List.of(Stages.TEACHER, Stages.LABELS, Stages.STUDENT)
            : List.of(Stages.TEACHER, Stages.STUDENT);
    Preflight.check(config, folder, names, null, listener);
    SequencedMap<String, Path> networks = new LinkedHashMap<>();
    try (RunFolder run = RunFolder.open(folder, config)) {
      try (Stages stages = new Stages(config, run, sources, listener)) {
        Path teacher = stages.teacher();
        networks.put(Stages.TEACHER, teacher);
        Path labels = config.student().unlabelled() ? stages.pseudoLabels(teacher) : null;
        networks.put(Stages.STUDENT, stages.student(labels));
      }
      Comparison comparison = Comparison.of(config, networks, sources, listener);
      RunReport.write(config, folder, comparison);
      return comparison;
    }
  }
}
