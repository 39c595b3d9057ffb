package dev.fathom.training.synth;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A kind of scene. Domains differ in layout, texture and light, so that a network trained on some
 * of them meets something new in the others.
 */
public enum Domain {
  /** Living rooms, bedrooms, offices. */
  ROOM(0, "furnished rooms by window or lamp light"),
  /** Passages. */
  CORRIDOR(1, "long passages with doors and pipes under ceiling lamps"),
  /** Halls. */
  WAREHOUSE(2, "halls with racks, crates and barrels"),
  /** Streets in daylight. */
  STREET_DAY(3, "streets with houses, cars, trees and wires by day"),
  /** The same, dark. */
  STREET_DUSK(4, "streets under a dark sky, lit windows and street lamps"),
  /** Grassland. */
  HILLS(5, "grassland before mountains, with trees, lakes and huts"),
  /** Woods. */
  FOREST_FOG(6, "trunks and undergrowth in fog"),
  /** Desert. */
  CANYON(7, "gorges between layered cliffs, with boulders and cacti"),
  /** Winter. */
  SNOW(8, "snowfields with conifers and cabins under a pale sky"),
  /** Gardens. */
  PARK(9, "lawns with paths, hedges, ponds, benches and fences");

  private final int code;
  private final String description;

  Domain(int code, String description) {
    this.code = code;
    this.description = description;
  }

  /** The number by which its scenes are drawn; it never changes. */
  int code() {
    return code;
  }

  /** Lays out one scene. */
  void lay(Stage stage) {
    switch (this) {
      case ROOM -> IndoorLayouts.room(stage);
      case CORRIDOR -> HallLayouts.corridor(stage);
      case WAREHOUSE -> HallLayouts.warehouse(stage);
      case STREET_DAY -> StreetLayouts.day(stage);
      case STREET_DUSK -> StreetLayouts.dusk(stage);
      case HILLS -> LandLayouts.hills(stage);
      case FOREST_FOG -> WoodLayouts.forest(stage);
      case CANYON -> LandLayouts.canyon(stage);
      case SNOW -> LandLayouts.snow(stage);
      case PARK -> WoodLayouts.park(stage);
    }
  }

  /** The name as people write it, such as {@code street-day}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What its pictures show, in one line. */
  public String description() {
    return description;
  }

  /**
   * The domain of a label, in either case.
   *
   * @throws IllegalArgumentException if there is none; the message lists them
   */
  public static Domain named(String label) {
    String key = label.strip().toLowerCase(Locale.ROOT).replace('_', '-');
    for (Domain domain : values()) {
      if (domain.label().equals(key)) {
        return domain;
      }
    }
    throw new IllegalArgumentException(
        "no domain is called '" + label + "': choose among " + labels());
  }

  /** All labels. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(Domain::label).toList();
  }
}
