/* One lane: plain C99 for any compiler and processor, and what the other widths are tested against. */
#define OPIN_LANES 1
#include "_kernel_rows.h"

OPIN_KERNEL(plain);
