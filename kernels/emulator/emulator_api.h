/*
 * What the emulator's libcuda.so.1 has beyond NVIDIA's, for tests. The symbols are weak: null with
 * a real driver, where a program that was built with this header runs too.
 */
#ifndef FATHOM_EMULATOR_API_H
#define FATHOM_EMULATOR_API_H

#ifdef __cplusplus
extern "C" {
#endif

/* As FATHOM_EMULATOR_SCHEDULE and FATHOM_EMULATOR_DELAYED; waits for all streams first. */
__attribute__((weak)) void fathom_emulator_configure(int schedule, int delayed);
/*
 * What the last check found, "" if nothing since the last clear. Valid until the thread's next
 * call.
 */
__attribute__((weak)) const char* fathom_emulator_last_report(void);
__attribute__((weak)) void fathom_emulator_clear_report(void);

#ifdef __cplusplus
}
#endif

#endif
