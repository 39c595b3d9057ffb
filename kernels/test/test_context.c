/* The context: arguments, instruction sets, threads. */
#include "test.h"

TEST(context_rejects_bad_arguments) {
  fathom_context* context = (fathom_context*)t;
  EXPECT(fathom_context_create(0, FATHOM_ISA_AUTO, &context) == FATHOM_INVALID_ARGUMENT,
         "0 threads were taken");
  EXPECT(context == NULL, "a failed call left a context");
  EXPECT(strstr(fathom_last_error(), "0 threads"), "text: %s", fathom_last_error());
  EXPECT(fathom_context_create(1, 77, &context) == FATHOM_INVALID_ARGUMENT, "isa 77 was taken");
  EXPECT(fathom_context_create(1, FATHOM_ISA_AUTO, NULL) == FATHOM_INVALID_ARGUMENT,
         "a NULL result was taken");
}

TEST(context_reports_what_it_is) {
  EXPECT(fathom_context_threads(t->context) == t->threads, "threads");
  EXPECT(fathom_context_isa(t->context) == t->isa, "isa");
  EXPECT(fathom_abi_version() == FATHOM_ABI_VERSION, "abi");
  EXPECT(strlen(fathom_version()) > 0 && strlen(fathom_cpu_description()) > 0, "texts");
}
