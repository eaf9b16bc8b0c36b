/* Four lanes with SHA instructions, on x86 only. The target is set here, so that the other files run on processors without it. */
#define OPIN_LANES 4
#define OPIN_SHA_EXTENSIONS
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sha,sse4.1,ssse3"))), apply_to = function)
#else
#pragma GCC target("sha,sse4.1,ssse3")
#endif
#include "_kernel_rows.h"

OPIN_KERNEL(sha);
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int opin_no_sha;
#endif
