/* Eight lanes with AVX2, on x86 only. The target is set here, so that the other files run on processors without it. */
#define OPIN_LANES 8
#define OPIN_AVX2
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
/* Tuned so that the rounds' constants are operands from memory: else each goes through a general register and takes a vector port. */
#pragma GCC target("avx2,tune=k8")
#endif
#include "_kernel_rows.h"

OPIN_KERNEL(avx2);
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int opin_no_avx2;
#endif
