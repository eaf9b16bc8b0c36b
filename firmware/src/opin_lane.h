/* The lane type: one 32-bit word of OPIN_LANES independent computations, and the few operations that SHA-256 and the cipher need.
 * A lock compiles this one lane wide; a backend compiles the same source 4, 8 and 16 lanes wide, and says with OPIN_AVX2 (8) or
 * OPIN_AVX512 (16) that it may use those instructions. */
#ifndef OPIN_LANE_H
#define OPIN_LANE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef OPIN_LANES
#define OPIN_LANES 1
#endif

#if defined(__GNUC__)
#define OPIN_INLINE static inline __attribute__((always_inline, unused))
#define OPIN_FUNCTION static __attribute__((noinline, unused))
#elif defined(_MSC_VER)
#define OPIN_INLINE static __forceinline
#define OPIN_FUNCTION static
#else
#define OPIN_INLINE static inline
#define OPIN_FUNCTION static
#endif

#if OPIN_LANES == 1
typedef uint32_t opin_lane;
#else
typedef uint32_t opin_lane __attribute__((vector_size(4 * OPIN_LANES)));
#endif

#if OPIN_LANES > 1 && defined(__SSE2__)
#include <immintrin.h>
#endif

/* The same word in every lane. */
OPIN_INLINE opin_lane opin_all(uint32_t word) {
#if OPIN_LANES == 1
    return word;
#else
    return word + (opin_lane){0};
#endif
}

/* OPIN_LANES words from memory, lane 0 first; no alignment is asked for. */
OPIN_INLINE opin_lane opin_load(const uint32_t words[OPIN_LANES]) {
    opin_lane lane;
    memcpy(&lane, words, sizeof lane);
    return lane;
}

/* The inverse of opin_load. */
OPIN_INLINE void opin_store(uint32_t words[OPIN_LANES], opin_lane lane) {
    memcpy(words, &lane, sizeof lane);
}

/* Rotation to the right; 0 < bits < 32. */
#define OPIN_ROTATE(lane, bits) (((lane) >> (bits)) | ((lane) << (32 - (bits))))

OPIN_INLINE opin_lane opin_xor3(opin_lane a, opin_lane b, opin_lane c) {
    return a ^ b ^ c;
}

/* Bits of b where a has ones, of c where it has zeros: SHA-256's Ch, and the choice by a mask. */
OPIN_INLINE opin_lane opin_choose(opin_lane a, opin_lane b, opin_lane c) {
#if defined(OPIN_AVX512)
    return (opin_lane)_mm512_ternarylogic_epi32((__m512i)a, (__m512i)b, (__m512i)c, 0xCA);
#else
    return c ^ (a & (b ^ c));
#endif
}

/* Bits that at least two of the three have: SHA-256's Maj. */
OPIN_INLINE opin_lane opin_majority(opin_lane a, opin_lane b, opin_lane c) {
#if defined(OPIN_AVX512)
    return (opin_lane)_mm512_ternarylogic_epi32((__m512i)a, (__m512i)b, (__m512i)c, 0xE8);
#else
    return (a & b) | (c & (a | b));
#endif
}

/* The same word, of which the compiler knows nothing: it cannot turn a mask into a branch. */
OPIN_INLINE uint32_t opin_hidden(uint32_t word) {
#if defined(__GNUC__)
    __asm__("" : "+r"(word));
#endif
    return word;
}

/* All ones where a < b, all zeros elsewhere, without a branch. */
OPIN_INLINE opin_lane opin_below(opin_lane a, opin_lane b) {
#if OPIN_LANES == 1
    return 0U - opin_hidden(((~a & b) | (~(a ^ b) & (a - b))) >> 31);
#else
    return (opin_lane)(a < b);
#endif
}

/* The upper 32 bits of the 64-bit product, lane by lane. */
OPIN_INLINE opin_lane opin_multiply_high(opin_lane a, opin_lane b) {
#if OPIN_LANES == 1
    return (uint32_t)(((uint64_t)a * b) >> 32);
#elif defined(OPIN_AVX512)
    const __m512i even = _mm512_mul_epu32((__m512i)a, (__m512i)b);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), _mm512_srli_epi64((__m512i)b, 32));
    return (opin_lane)_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
#elif defined(OPIN_AVX2)
    const __m256i even = _mm256_mul_epu32((__m256i)a, (__m256i)b);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), _mm256_srli_epi64((__m256i)b, 32));
    return (opin_lane)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
#elif OPIN_LANES == 4 && defined(__SSE2__)
    const __m128i upper = _mm_set_epi32(-1, 0, -1, 0);
    const __m128i even = _mm_mul_epu32((__m128i)a, (__m128i)b);
    const __m128i odd = _mm_mul_epu32(_mm_srli_epi64((__m128i)a, 32), _mm_srli_epi64((__m128i)b, 32));
    return (opin_lane)_mm_or_si128(_mm_srli_epi64(even, 32), _mm_and_si128(odd, upper));
#else
    opin_lane high = a;
    for (int i = 0; i < OPIN_LANES; i++) {
        high[i] = (uint32_t)(((uint64_t)a[i] * b[i]) >> 32);
    }
    return high;
#endif
}

#endif
