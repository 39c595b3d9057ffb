/* The losses by their definitions, in float64 and with a sort for the median. */
#ifndef FATHOM_LOSS_REFERENCE_H
#define FATHOM_LOSS_REFERENCE_H

#include <stdint.h>

typedef struct {
  int64_t batch, height, width;
  const float *target, *outside; /* outside: with boxes */
  const float* mask;             /* or NULL */
  const int64_t* boxes;          /* [B,4] or NULL */
  double trim;
} loss_problem;

/* The value for a prediction; gradient, if wanted, is overwritten. */
double reference_ssi(const loss_problem* problem, const double* prediction, double* gradient);
double reference_gradient_matching(const loss_problem* problem, const double* prediction,
                                   double* gradient);
double reference_silog(const loss_problem* problem, double beta, const double* prediction,
                       double* gradient);
double reference_alignment(const double* student, const float* frozen, int64_t rows,
                           int64_t channels, double margin, int64_t* kept, double* gradient);

#endif
