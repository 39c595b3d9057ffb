package dev.fathom.training.synth;

/**
 * A lamp that shines to all sides.
 *
 * @param light on a surface that faces it at a distance of one metre
 * @param shadows whether bodies between a surface and the lamp keep its light off
 */
record Lamp(double x, double y, double z, Rgb light, boolean shadows) {}
