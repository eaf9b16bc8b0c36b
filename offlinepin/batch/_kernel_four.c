/* Four lanes: what every 64-bit x86 (SSE2) and ARM (NEON) has. */
#define OPIN_LANES 4
#if defined(__GNUC__)
#include "_kernel_rows.h"

OPIN_KERNEL(four);
#else
typedef int opin_no_vectors;
#endif
