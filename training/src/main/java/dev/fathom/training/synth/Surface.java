package dev.fathom.training.synth;

/** Something that rays meet. */
abstract class Surface {
  /** Closer than this to a ray's origin nothing is met. */
  static final double NEAREST = 1e-6;

  private final SceneClass kind;
  final Material material;

  Surface(SceneClass kind, Material material) {
    this.kind = kind;
    this.material = material;
  }

  /** The ray's parameter where it first meets this, below {@code limit}; else infinity. */
  abstract double distance(Ray ray, double limit);

  /** Fills in the rest of a hit whose parameter {@link #distance} gave. */
  abstract void describe(Ray ray, double t, Hit hit);

  /** What is seen at a described hit. */
  SceneClass kindAt(Hit hit) {
    return kind;
  }
}
