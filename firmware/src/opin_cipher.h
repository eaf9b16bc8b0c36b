/* The permutation of format 1, section 7, over lanes, and the symbols of its halves. A number x below r^n is its halves
 * A = x div r^v and B = x mod r^v: a lock parses and deciphers without a division of 64 bits. */
#ifndef OPIN_CIPHER_H
#define OPIN_CIPHER_H

#include "opin_sha256.h"

enum {
    OPIN_ROUNDS = 10,
    OPIN_RADIX_MOST = 16,
    OPIN_HALF_SYMBOLS = 31, /* 2^31 is the longest half below 2^32 */
};

#if defined(OPIN_SMALL)
/* (a * m + b) >> 32 without a product of 64 bits, which a small part has only as a routine: a bit of a at a time, and a mean cannot
 * overflow. The same steps for every a and b. */
OPIN_FUNCTION uint32_t opin_scale(uint32_t a, uint32_t m, uint32_t b) {
    for (uint32_t i = 0; i < 32; i++) {
        const uint32_t term = m & (0U - opin_hidden(a & 1));
        b = (b & term) + ((b ^ term) >> 1);
        a >>= 1;
    }
    return b;
}
#endif

/* F(i, b, m) = (be64 of the first 8 bytes of HMAC(W, be8(i) || be64(b)) * m) >> 64 in every lane, for one m from 1 to 2^32 - 1.
 * Two compressions; the same time for every b. */
OPIN_FUNCTION opin_lane opin_cipher_round(const opin_key *key, uint32_t i, const opin_lane *b, uint32_t m) {
    opin_lane w[16], digest[8];
    w[0] = opin_all(i << 24);
    w[1] = *b >> 8;
    w[2] = *b << 24 | opin_all(0x00800000U);
    for (int t = 3; t < 15; t++) {
        w[t] = opin_all(0);
    }
    w[15] = opin_all(8U * (64 + 9));
#if defined(OPIN_SMALL)
    opin_hmac(digest, key, w);
    return opin_scale(digest[0], m, opin_scale(digest[1], m, 0));
#else
    memcpy(digest, key->inner, sizeof key->inner);
    opin_compress(digest, w);
    opin_outer_block(w, digest);
    memcpy(digest, key->outer, sizeof key->outer);
    opin_compress(digest, w);
    /* (h0 * 2^32 + h1) * m >> 64 = (h0 * m + (h1 * m >> 32)) >> 32; the sum's carry out of its low word counts */
    const opin_lane modulus = opin_all(m);
    const opin_lane low = digest[0] * modulus;
    const opin_lane sum = low + opin_multiply_high(digest[1], modulus);
    return opin_multiply_high(digest[0], modulus) + (opin_below(sum, low) & opin_all(1));
#endif
}

/* Permute a number given as its halves, *a below low = r^u and *b below high = r^v. */
OPIN_INLINE void opin_encipher(opin_lane *a, opin_lane *b, const opin_key *key, uint32_t low, uint32_t high) {
    for (uint32_t i = 0; i < OPIN_ROUNDS; i++) {
        const uint32_t m = (i & 1) != 0 ? high : low;
        const opin_lane modulus = opin_all(m);
        const opin_lane gap = modulus - opin_cipher_round(key, i, b, m); /* a + F mod m is a - gap, which cannot overflow */
        const opin_lane sum = *a - gap + (modulus & opin_below(*a, gap));
        *a = *b;
        *b = sum;
    }
}

/* The inverse of opin_encipher. The same steps for every number. */
OPIN_INLINE void opin_decipher(opin_lane *a, opin_lane *b, const opin_key *key, uint32_t low, uint32_t high) {
    for (uint32_t i = OPIN_ROUNDS; i-- > 0;) {
        const uint32_t m = (i & 1) != 0 ? high : low;
        const opin_lane f = opin_cipher_round(key, i, a, m);
        const opin_lane difference = *b - f + (opin_all(m) & opin_below(*b, f));
        *b = *a;
        *a = difference;
    }
}

/* The count symbols of a half, as digits 0 to radix - 1, most significant first. radix 2 to OPIN_RADIX_MOST. */
OPIN_INLINE void opin_digits(opin_lane *digits, opin_lane half, uint32_t radix, uint32_t count) {
    const opin_lane base = opin_all(radix);
    const opin_lane reciprocal = opin_all(0xFFFFFFFFU / radix);
    while (count-- > 0) {
        opin_lane quotient = opin_multiply_high(half, reciprocal); /* right, or one too small */
        opin_lane digit = half - quotient * base;
        const opin_lane over = ~opin_below(digit, base);
        quotient += over & opin_all(1);
        digit -= over & base;
        digits[count] = digit;
        half = quotient;
    }
}

#endif
