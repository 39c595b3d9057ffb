/**
 * What this project's operators and the whole network take, beside others' that do the same: JMH
 * benchmarks of the operators ({@link dev.fathom.bench.OperatorBenchmark}), processes that take
 * turns for the rest, one report ({@link dev.fathom.bench.BenchMain}).
 */
@NullMarked
package dev.fathom.bench;

import org.jspecify.annotations.NullMarked;
