@NullMarked
package dev.fathom.nn.cuda;

import org.jspecify.annotations.NullMarked;
