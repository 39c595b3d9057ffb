package dev.fathom.bindings.cuda;

/**
 * A device's memory.
 *
 * @param free bytes that no process uses
 * @param total bytes in all
 */
public record MemoryInfo(long free, long total) {}
