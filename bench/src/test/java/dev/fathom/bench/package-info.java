/** Tests that see every module. */
@NullMarked
package dev.fathom.bench;

import org.jspecify.annotations.NullMarked;
