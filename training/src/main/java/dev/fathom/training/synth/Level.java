package dev.fathom.training.synth;

/** A horizontal plane without end: streets, water, what lies beyond the terrain. */
final class Level extends Surface {
  private final double height;

  Level(SceneClass kind, Material material, double height) {
    super(kind, material);
    this.height = height;
  }

  @Override
  double distance(Ray ray, double limit) {
    double t = (height - ray.oy) * ray.iy;
    return t > NEAREST && t < limit ? t : Double.POSITIVE_INFINITY;
  }

  @Override
  void describe(Ray ray, double t, Hit hit) {
    hit.at(ray, t);
    hit.y = height;
    hit.lx = hit.x;
    hit.ly = hit.y;
    hit.lz = hit.z;
    hit.normal(ray, 0, 1, 0);
    hit.flat(0, 1, 0);
  }

  @Override
  SceneClass kindAt(Hit hit) {
    boolean way = material.texture() instanceof Soils.Path path && path.holds(hit.x, hit.z);
    return way ? SceneClass.ROAD : super.kindAt(hit);
  }
}
