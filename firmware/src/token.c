/* Everything that needs the device token: window keys and the cipher, the ratchet, tags, the check value (sections 3 and 7). */
#define OPIN_LANES 1
#ifndef OPIN_SMALL
#define OPIN_SMALL
#endif
#include "opin_cipher.h"
#include "opin_kdf.h"
#include "opin_lock.h"

OPIN_ASSERT(a_token_is_a_key, (int)OPIN_TOKEN_BYTES == OPIN_KEY_BYTES);

/* A message on its way into a hash, which has one block behind it already. */
typedef struct {
    uint32_t *state;
    uint32_t w[16];
    uint32_t count;
} opin_feed;

static void feed_byte(opin_feed *feed, uint32_t byte) {
    uint32_t *const word = &feed->w[feed->count / 4 % 16];
    *word = *word << 8 | byte;
    feed->count++;
    if (feed->count % 64 == 0) {
        opin_hash_block(feed->state, feed->w);
    }
}

/* The key of a token. */
static void set_key(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES]) {
    for (uint32_t i = 0; i < 8; i++) {
        key->inner[i] = opin_get(token + 4 * i);
    }
    opin_key_set(key, key->inner);
}

/* KDF(token, "opin" label, context): eight words in key->inner. A label ends with the 00 that follows it. */
OPIN_APART static void derive(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES], const char *label, const uint8_t *context,
                              uint32_t count) {
    opin_feed feed;
    set_key(key, token);
    feed.state = key->inner;
    feed.w[0] = 1;
    feed.w[1] = 0x6f70696eU; /* "opin" */
    feed.count = 64 + 8;
    do {
        feed_byte(&feed, (uint8_t)*label);
    } while (*label++ != 0);
    while (count-- > 0) {
        feed_byte(&feed, *context++);
    }
    const uint32_t bits = 8 * (feed.count + 4);
    feed_byte(&feed, 0); /* be32(256) is 00 00 01 00; then the padding: 80, zeros, and the bits of the message in its last word */
    for (uint32_t end = 0x00010080U; end != 0 || feed.count % 64 != 60; end <<= 8) {
        feed_byte(&feed, end >> 24);
    }
    feed.w[15] = bits;
    opin_hash_block(feed.state, feed.w);
    opin_hmac_close(key->inner, key, feed.w);
}

OPIN_LOCAL void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length) {
    opin_key key;
    derive(&key, token, " remember", (const uint8_t *)text, length);
    opin_put(tag, key.inner[0]);
    opin_put(tag + 4, key.inner[1]);
}

/* KDF(token, label, be32(number)). */
static void derive_from_number(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES], const char *label, uint32_t number) {
    uint8_t context[4];
    opin_put(context, number);
    derive(key, token, label, context, sizeof context);
}

/* Step the token to generation next, in place. */
OPIN_LOCAL void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next) {
    opin_key key;
    derive_from_number(&key, token, " ratchet", next);
    for (uint32_t i = 0; i < 8; i++) {
        opin_put(token + 4 * i, key.inner[i]);
    }
}

OPIN_LOCAL uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation) {
    opin_key key;
    derive_from_number(&key, token, " check", generation);
    return key.inner[0];
}

/* The payload of a code under one window's key. The same time for every number. */
OPIN_LOCAL uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim,
                              uint32_t window) {
    const opin_family *const family = claim->family;
    uint8_t context[OPIN_DIGEST_BYTES + 5];
    uint32_t a = claim->a, b = claim->b;
    opin_key key;
    memcpy(context, profile->digest, OPIN_DIGEST_BYTES);
    context[OPIN_DIGEST_BYTES] = profile->kinds[family->first_kind].family;
    opin_put(context + OPIN_DIGEST_BYTES + 1, window);
    derive(&key, token, " window", context, sizeof context);
    opin_key_set(&key, key.inner);
    opin_decipher(&a, &b, &key, family->low, family->high);
    return (uint64_t)opin_scale(a, family->high, b) << 32 | (a * family->high + b);
}
