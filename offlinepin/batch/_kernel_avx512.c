/* Sixteen lanes with AVX-512F, on x86 only. The target is set here, so that the other files run on processors without it. */
#define OPIN_LANES 16
#define OPIN_AVX512
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2"))), apply_to = function)
#else
/* Tuned so that the rounds' constants are operands from memory: else each goes through a general register and takes a vector port. */
#pragma GCC target("avx512f,avx2,tune=k8")
#endif
#include "_kernel_rows.h"

OPIN_KERNEL(avx512);
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int opin_no_avx512;
#endif
