/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) with its keyed state kept, over lanes.
 * OPIN_SMALL rolls the rounds up for a lock's flash; OPIN_SHA_EXTENSIONS hashes four lanes with x86's SHA instructions. */
#ifndef OPIN_SHA256_H
#define OPIN_SHA256_H

#include "opin_lane.h"

static const uint32_t opin_sha256_start[8] = {
    0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU, 0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U,
};

static const uint32_t opin_sha256_round[64] = {
    0x428a2f98U, 0x71374491U, 0xb5c0fbcfU, 0xe9b5dba5U, 0x3956c25bU, 0x59f111f1U, 0x923f82a4U, 0xab1c5ed5U,
    0xd807aa98U, 0x12835b01U, 0x243185beU, 0x550c7dc3U, 0x72be5d74U, 0x80deb1feU, 0x9bdc06a7U, 0xc19bf174U,
    0xe49b69c1U, 0xefbe4786U, 0x0fc19dc6U, 0x240ca1ccU, 0x2de92c6fU, 0x4a7484aaU, 0x5cb0a9dcU, 0x76f988daU,
    0x983e5152U, 0xa831c66dU, 0xb00327c8U, 0xbf597fc7U, 0xc6e00bf3U, 0xd5a79147U, 0x06ca6351U, 0x14292967U,
    0x27b70a85U, 0x2e1b2138U, 0x4d2c6dfcU, 0x53380d13U, 0x650a7354U, 0x766a0abbU, 0x81c2c92eU, 0x92722c85U,
    0xa2bfe8a1U, 0xa81a664bU, 0xc24b8b70U, 0xc76c51a3U, 0xd192e819U, 0xd6990624U, 0xf40e3585U, 0x106aa070U,
    0x19a4c116U, 0x1e376c08U, 0x2748774cU, 0x34b0bcb5U, 0x391c0cb3U, 0x4ed8aa4aU, 0x5b9cca4fU, 0x682e6ff3U,
    0x748f82eeU, 0x78a5636fU, 0x84c87814U, 0x8cc70208U, 0x90befffaU, 0xa4506cebU, 0xbef9a3f7U, 0xc67178f2U,
};

/* Whether a block with constants in it gets a compression of its own, in which they cost nothing, or calls the one there is. */
#if defined(OPIN_SMALL)
#define OPIN_COMPRESSION OPIN_FUNCTION
#else
#define OPIN_COMPRESSION OPIN_INLINE
#endif

#if defined(OPIN_SHA_EXTENSIONS)
#include "opin_sha256_x86.h"
#elif defined(OPIN_SHA_HARDWARE)
/* One compression by the part's own unit, which the product writes: state becomes that after the 16 words of a block. */
void opin_compress(uint32_t state[8], uint32_t w[16]);
#else

/* FIPS 180-4, section 4.1.2: the four sums. */
#define OPIN_SUM_A(x) opin_xor3(OPIN_ROTATE(x, 2), OPIN_ROTATE(x, 13), OPIN_ROTATE(x, 22))
#define OPIN_SUM_E(x) opin_xor3(OPIN_ROTATE(x, 6), OPIN_ROTATE(x, 11), OPIN_ROTATE(x, 25))
#define OPIN_SIGMA_0(x) opin_xor3(OPIN_ROTATE(x, 7), OPIN_ROTATE(x, 18), (x) >> 3)
#define OPIN_SIGMA_1(x) opin_xor3(OPIN_ROTATE(x, 17), OPIN_ROTATE(x, 19), (x) >> 10)

/* The schedule's word t + 16 in place of word t (section 6.2.2, step 1). */
#define OPIN_EXPAND(w, t) \
    ((w)[(t) & 15] += OPIN_SIGMA_1((w)[((t) + 14) & 15]) + (w)[((t) + 9) & 15] + OPIN_SIGMA_0((w)[((t) + 1) & 15]))

/* One round (section 6.2.2, step 3) that leaves the new a in h and the new e in d, so that no word has to move. */
#define OPIN_ROUND(a, b, c, d, e, f, g, h, word)                                        \
    do {                                                                                \
        const opin_lane first = (h) + (word) + OPIN_SUM_E(e) + opin_choose((e), (f), (g)); \
        (d) += first;                                                                   \
        (h) = first + OPIN_SUM_A(a) + opin_majority((a), (b), (c));                     \
    } while (0)

#define OPIN_WORD(t) ((w)[(t) & 15] + opin_all(opin_sha256_round[t]))

#define OPIN_ROUNDS_8(t)                                 \
    OPIN_ROUND(a, b, c, d, e, f, g, h, OPIN_WORD(t));     \
    OPIN_ROUND(h, a, b, c, d, e, f, g, OPIN_WORD(t + 1)); \
    OPIN_ROUND(g, h, a, b, c, d, e, f, OPIN_WORD(t + 2)); \
    OPIN_ROUND(f, g, h, a, b, c, d, e, OPIN_WORD(t + 3)); \
    OPIN_ROUND(e, f, g, h, a, b, c, d, OPIN_WORD(t + 4)); \
    OPIN_ROUND(d, e, f, g, h, a, b, c, OPIN_WORD(t + 5)); \
    OPIN_ROUND(c, d, e, f, g, h, a, b, OPIN_WORD(t + 6)); \
    OPIN_ROUND(b, c, d, e, f, g, h, a, OPIN_WORD(t + 7))

#define OPIN_EXPAND_8(t)   \
    OPIN_EXPAND(w, t);     \
    OPIN_EXPAND(w, t + 1); \
    OPIN_EXPAND(w, t + 2); \
    OPIN_EXPAND(w, t + 3); \
    OPIN_EXPAND(w, t + 4); \
    OPIN_EXPAND(w, t + 5); \
    OPIN_EXPAND(w, t + 6); \
    OPIN_EXPAND(w, t + 7)

#if defined(OPIN_SMALL)
/* One compression, as below, but small: in every round the words a to h move on by one place. */
OPIN_FUNCTION void opin_compress(opin_lane state[8], opin_lane w[16]) {
    enum { A, B, C, D, E, F, G, H };
    opin_lane x[8];
    memcpy(x, state, sizeof x);
    for (unsigned t = 0; t < 64; t++) {
        opin_lane moving = x[H] + OPIN_WORD(t) + OPIN_SUM_E(x[E]) + opin_choose(x[E], x[F], x[G]);
        x[D] += moving;
        moving += OPIN_SUM_A(x[A]) + opin_majority(x[A], x[B], x[C]);
        for (unsigned i = 0; i < 8; i++) { /* a new word in at a, and that of h out */
            const opin_lane next = x[i];
            x[i] = moving;
            moving = next;
        }
        OPIN_EXPAND(w, t); /* in the last 16 rounds for nothing */
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += x[i];
    }
}
#else
/* One compression: state becomes that after the 16 words of a block, which are used up. */
OPIN_COMPRESSION void opin_compress(opin_lane state[8], opin_lane w[16]) {
    opin_lane a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    OPIN_ROUNDS_8(0);
    OPIN_ROUNDS_8(8);
    OPIN_EXPAND_8(0);
    OPIN_ROUNDS_8(16);
    OPIN_EXPAND_8(8);
    OPIN_ROUNDS_8(24);
    OPIN_EXPAND_8(0);
    OPIN_ROUNDS_8(32);
    OPIN_EXPAND_8(8);
    OPIN_ROUNDS_8(40);
    OPIN_EXPAND_8(0);
    OPIN_ROUNDS_8(48);
    OPIN_EXPAND_8(8);
    OPIN_ROUNDS_8(56);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}
#endif
#endif

/* opin_compress as a call, for blocks without constants. */
#if defined(OPIN_SMALL)
#define opin_hash_block opin_compress
#else
OPIN_FUNCTION void opin_hash_block(opin_lane state[8], opin_lane w[16]) {
    opin_compress(state, w);
}
#endif

/* An HMAC key as the two hash states after its key block. Secret. */
typedef struct {
    opin_lane inner[8];
    opin_lane outer[8];
} opin_key;

/* The states of a key of 32 bytes, given as 8 big-endian words, which may lie in key->inner: two compressions. */
OPIN_FUNCTION void opin_key_set(opin_key *key, const opin_lane words[8]) {
    opin_lane w[16];
    opin_lane *const states[2] = {key->outer, key->inner};
    const uint32_t pads[2] = {0x5c5c5c5cU, 0x36363636U};
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 8; i++) {
            w[i] = words[i] ^ opin_all(pads[side]);
            states[side][i] = opin_all(opin_sha256_start[i]);
            w[i + 8] = opin_all(pads[side]);
        }
        opin_hash_block(states[side], w);
    }
}

/* The block that carries an inner digest into the outer hash: 96 bytes hashed in all. */
OPIN_INLINE void opin_outer_block(opin_lane w[16], const opin_lane digest[8]) {
    for (int i = 0; i < 8; i++) {
        w[i] = digest[i];
    }
    w[8] = opin_all(0x80000000U);
    for (int i = 9; i < 15; i++) {
        w[i] = opin_all(0);
    }
    w[15] = opin_all(8U * (64 + 32));
}

/* The second half of an HMAC: digest goes in as the inner one and comes out as the MAC, 8 big-endian words. One compression, of a
 * block that is put into w. */
OPIN_FUNCTION void opin_hmac_close(opin_lane digest[8], const opin_key *key, opin_lane w[16]) {
    opin_outer_block(w, digest);
    memcpy(digest, key->outer, sizeof key->outer);
    opin_hash_block(digest, w);
}

OPIN_INLINE void opin_hmac_end(opin_lane digest[8], const opin_key *key) {
    opin_lane w[16];
    opin_hmac_close(digest, key, w);
}

/* The HMAC of a message that fills one padded block, w, which is used up. Two compressions. */
OPIN_INLINE void opin_hmac(opin_lane mac[8], const opin_key *key, opin_lane w[16]) {
    memcpy(mac, key->inner, sizeof key->inner);
    opin_hash_block(mac, w);
    opin_hmac_close(mac, key, w);
}

#endif
