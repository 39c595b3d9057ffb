package dev.fathom.bench;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Imports go one way: training -> nn -> bindings; bench sees all. */
@AnalyzeClasses(
    packages = "dev.fathom",
    importOptions = {ImportOption.DoNotIncludeTests.class})
class ArchitectureTest {

  private static final String JCUDA_USERS = "dev.fathom.bindings.cuda.jcuda..";

  @ArchTest
  static final ArchRule BINDINGS_KNOW_NOTHING_OF_NETWORKS =
      noClasses()
          .that()
          .resideInAPackage("dev.fathom.bindings..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.fathom.nn..", "dev.fathom.training..", "dev.fathom.bench..");

  @ArchTest
  static final ArchRule NETWORK_KNOWS_NOTHING_OF_TRAINING =
      noClasses()
          .that()
          .resideInAPackage("dev.fathom.nn..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.fathom.training..", "dev.fathom.bench..");

  @ArchTest
  static final ArchRule TRAINING_KNOWS_NOTHING_OF_BENCHMARKS =
      noClasses()
          .that()
          .resideInAPackage("dev.fathom.training..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("dev.fathom.bench..");

  @ArchTest
  static final ArchRule THE_LIBRARY_NEEDS_ONLY_THE_JDK =
      classes()
          .that()
          .resideInAnyPackage("dev.fathom.bindings..", "dev.fathom.nn..")
          .and()
          .resideOutsideOfPackage(JCUDA_USERS)
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(
              "java..",
              "javax.imageio..",
              "org.jspecify.annotations..",
              "dev.fathom.bindings..",
              "dev.fathom.nn..");

  /** JCuda is optional: what uses it is loaded by name, and nothing else refers to it. */
  @ArchTest
  static final ArchRule JCUDA_IS_REACHED_BY_NAME_ONLY =
      noClasses()
          .that()
          .resideOutsideOfPackage(JCUDA_USERS)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("jcuda..", JCUDA_USERS);

  @ArchTest
  static final ArchRule LAYERS_AND_MODELS_ARE_WRITTEN_FOR_EVERY_DEVICE =
      noClasses()
          .that()
          .resideInAnyPackage(
              "dev.fathom.nn.layer..",
              "dev.fathom.nn.model..",
              "dev.fathom.nn.op..",
              "dev.fathom.nn.checkpoint..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.fathom.nn.cpu..", "dev.fathom.bindings..");

  @ArchTest
  static final ArchRule OPERATORS_KNOW_NOTHING_OF_LAYERS =
      noClasses()
          .that()
          .resideInAnyPackage("dev.fathom.nn.op..", "dev.fathom.nn.cpu..", "dev.fathom.nn.tensor..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.fathom.nn.layer..", "dev.fathom.nn.model..");
}
