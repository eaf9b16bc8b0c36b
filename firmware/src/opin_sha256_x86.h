/* SHA-256's compression for four lanes with x86's SHA instructions: each lane is a stream of its own, and the four overlap,
 * since one stream alone would wait for the latency of every step. Included by opin_sha256.h. */

#if OPIN_LANES != 4
#error "the SHA instructions are used four lanes wide"
#endif

/* Four lanes of four words become four words of four lanes, and back. */
OPIN_INLINE void opin_transpose(__m128i out[4], opin_lane p, opin_lane q, opin_lane r, opin_lane s) {
    const __m128i low0 = _mm_unpacklo_epi32((__m128i)p, (__m128i)q), low1 = _mm_unpacklo_epi32((__m128i)r, (__m128i)s);
    const __m128i high0 = _mm_unpackhi_epi32((__m128i)p, (__m128i)q), high1 = _mm_unpackhi_epi32((__m128i)r, (__m128i)s);
    out[0] = _mm_unpacklo_epi64(low0, low1);
    out[1] = _mm_unpackhi_epi64(low0, low1);
    out[2] = _mm_unpacklo_epi64(high0, high1);
    out[3] = _mm_unpackhi_epi64(high0, high1);
}

/* Four rounds of one stream with the words w plus their round constants. */
OPIN_INLINE void opin_four_rounds(__m128i *abef, __m128i *cdgh, __m128i w) {
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, w);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(w, 0x0E));
}

/* The schedule's next four words, which take the place of the oldest four, w0. */
OPIN_INLINE __m128i opin_next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
    return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
}

/* One compression of every lane; see the plain opin_compress. */
OPIN_COMPRESSION void opin_compress(opin_lane state[8], opin_lane w[16]) {
    __m128i abef[4], cdgh[4], words[4][4], back[4];
    opin_transpose(abef, state[5], state[4], state[1], state[0]);
    opin_transpose(cdgh, state[7], state[6], state[3], state[2]);
    for (int i = 0; i < 4; i++) {
        opin_transpose(words[i], w[4 * i], w[4 * i + 1], w[4 * i + 2], w[4 * i + 3]);
    }
    for (int pair = 0; pair < 4; pair += 2) {
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) {
            const __m128i k = _mm_loadu_si128((const __m128i *)(const void *)&opin_sha256_round[4 * t]);
            for (int s = pair; s < pair + 2; s++) {
                opin_four_rounds(&abef[s], &cdgh[s], _mm_add_epi32(words[t & 3][s], k));
                if (t < 12) {
                    words[t & 3][s] = opin_next_words(words[t & 3][s], words[(t + 1) & 3][s], words[(t + 2) & 3][s], words[(t + 3) & 3][s]);
                }
            }
        }
    }
    opin_transpose(back, (opin_lane)abef[0], (opin_lane)abef[1], (opin_lane)abef[2], (opin_lane)abef[3]);
    state[5] += (opin_lane)back[0];
    state[4] += (opin_lane)back[1];
    state[1] += (opin_lane)back[2];
    state[0] += (opin_lane)back[3];
    opin_transpose(back, (opin_lane)cdgh[0], (opin_lane)cdgh[1], (opin_lane)cdgh[2], (opin_lane)cdgh[3]);
    state[7] += (opin_lane)back[0];
    state[6] += (opin_lane)back[1];
    state[3] += (opin_lane)back[2];
    state[2] += (opin_lane)back[3];
}
