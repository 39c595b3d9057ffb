package dev.fathom.training.synth;

import java.util.Locale;

/** What a pixel of a rendered picture shows. The codes are stored in files: they never change. */
public enum SceneClass {
  /** Nothing is hit: infinitely far. */
  SKY(0),
  /** Grass, soil, sand, snow. */
  GROUND(1),
  /** Carriageway, pavement, path. */
  ROAD(2),
  /** Floor of a building. */
  FLOOR(3),
  /** Ceiling and what hangs flat on it. */
  CEILING(4),
  /** Wall seen from inside, with its doors and pictures; free-standing walls. */
  WALL(5),
  /** House seen from outside. */
  BUILDING(6),
  /** Trees with their trunks, bushes, hedges. */
  VEGETATION(7),
  /** Lakes, ponds, rivers. */
  WATER(8),
  /** Cliffs and boulders. */
  ROCK(9),
  /** Tables, chairs, shelves, benches, lamps. */
  FURNITURE(10),
  /** Crates and parcels. */
  BOX(11),
  /** Balls and other round bodies. */
  SPHERE(12),
  /** Barrels, pillars, bins. */
  CYLINDER(13),
  /** Thin things: poles, legs, wires, rails, fences. */
  POLE(14),
  /** Cars, vans, fork lifts. */
  VEHICLE(15);

  private final int code;

  SceneClass(int code) {
    this.code = code;
  }

  /** The number that stands for it in a class map. */
  public int code() {
    return code;
  }

  /** The name as people write it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
