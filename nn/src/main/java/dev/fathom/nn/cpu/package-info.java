/** The CPU backend: each family fills a struct of {@code fathom.h} and calls the native library. */
@NullMarked
package dev.fathom.nn.cpu;

import org.jspecify.annotations.NullMarked;
