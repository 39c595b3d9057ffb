/* Reading and distorting pictures by their definitions, in float64, one step and one pixel at a time. */
#ifndef FATHOM_AUGMENT_REFERENCE_H
#define FATHOM_AUGMENT_REFERENCE_H

#include "../include/fathom.h"

/* expected [out_height,out_width,3]; a->y is not written. */
void reference_read_picture(const fathom_read_picture_args* a, double* expected);
/* expected [B,H,W,3]; a->y is not written. */
void reference_distort(const fathom_distort_args* a, double* expected);

#endif
