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
  ROOM(0, "furnished rooms by window or lamp light", IndoorLayouts::room),
  /** Passages. */
  CORRIDOR(1, "long passages with doors and pipes under ceiling lamps", HallLayouts::corridor),
  /** Halls. */
  WAREHOUSE(2, "halls with racks, crates and barrels", HallLayouts::warehouse),
  /** Streets in daylight. */
  STREET_DAY(3, "streets with houses, cars, trees and wires by day", StreetLayouts::day),
  /** The same, dark. */
  STREET_DUSK(4, "streets under a dark sky, lit windows and street lamps", StreetLayouts::dusk),
  /** Grassland. */
  HILLS(5, "grassland before mountains, with trees, lakes and huts", LandLayouts::hills),
  /** Woods. */
  FOREST_FOG(6, "trunks and undergrowth in fog", WoodLayouts::forest),
  /** Desert. */
  CANYON(7, "gorges between layered cliffs, with boulders and cacti", LandLayouts::canyon),
  /** Winter. */
  SNOW(8, "snowfields with conifers and cabins under a pale sky", LandLayouts::snow),
  /** Gardens. */
  PARK(9, "lawns with paths, hedges, ponds, benches and fences", WoodLayouts::park);

  private final int code;
  private final String description;
  private final Layout layout;

  Domain(int code, String description, Layout layout) {
    this.code = code;
    this.description = description;
    this.layout = layout;
  }

  /** Lays out one scene. */
  @FunctionalInterface
  interface Layout {
    void lay(Stage stage);
  }

  /** The number by which its scenes are drawn; it never changes. */
  int code() {
    return code;
  }

  Layout layout() {
    return layout;
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
