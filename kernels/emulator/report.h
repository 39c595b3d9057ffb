/* Reports: what a check found, on standard error and for fathom_emulator_last_report. */
#ifndef FATHOM_EMULATOR_REPORT_H
#define FATHOM_EMULATOR_REPORT_H

#include <string>

#include "runtime.h"

namespace emulator {

/* Prints it (unless FATHOM_EMULATOR_QUIET is set) and keeps it. */
void report(const std::string& text);
std::string last_report();
void clear_report();

std::string format(const char* text, ...) __attribute__((format(printf, 1, 2)));
/*
 * "kernel name, grid (1,1,1), block (0,0,0), thread (3,0,0)" of the running thread; "" outside of
 * kernels.
 */
std::string where();

/* Turns SIGSEGV, SIGBUS, SIGFPE and SIGILL of kernels into faults; passes on all others. */
void install_signal_handlers();
/* Gives this OS thread a stack for them. */
void prepare_signal_stack();

}  // namespace emulator

#endif
