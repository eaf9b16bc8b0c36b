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

static void feed_word(opin_feed *feed, uint32_t word) {
    for (uint32_t i = 0; i < 4; i++) {
        feed_byte(feed, word >> 24);
        word <<= 8;
    }
}

/* The key of a token. Not within derive: its message would be on the stack while the key is hashed. */
static void set_key(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES]) {
    for (uint32_t i = 0; i < 8; i++) {
        key->outer[i] = opin_get(token + 4 * i, 4);
    }
    opin_key_set(key, key->outer);
}

/* KDF(key, label, context): eight words that take the place of key->inner. A label ends with the 00 that follows it. */
OPIN_APART static void derive(opin_key *key, const char *label, const uint8_t *context, uint32_t count) {
    opin_feed feed;
    feed.state = key->inner;
    feed.count = 64;
    feed_word(&feed, 1);
    do {
        feed_byte(&feed, (uint8_t)*label);
    } while (*label++ != 0);
    while (count-- > 0) {
        feed_byte(&feed, *context++);
    }
    feed_word(&feed, 256);
    const uint32_t bits = 8 * feed.count;
    feed_byte(&feed, 0x80);
    while (feed.count % 64 != 60) {
        feed_byte(&feed, 0);
    }
    feed_word(&feed, bits);
    opin_hmac_close(key->inner, key, feed.w);
}

OPIN_LOCAL void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length) {
    opin_key key;
    set_key(&key, token);
    derive(&key, "opin remember", (const uint8_t *)text, length);
    opin_put(tag, 4, key.inner[0]);
    opin_put(tag + 4, 4, key.inner[1]);
}

/* KDF(token, label, be32(number)). */
static void derive_from_number(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES], const char *label, uint32_t number) {
    uint8_t context[4];
    opin_put(context, 4, number);
    set_key(key, token);
    derive(key, label, context, sizeof context);
}

/* Step the token to generation next, in place. */
OPIN_LOCAL void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next) {
    opin_key key;
    derive_from_number(&key, token, "opin ratchet", next);
    for (uint32_t i = 0; i < 8; i++) {
        opin_put(token + 4 * i, 4, key.inner[i]);
    }
}

OPIN_LOCAL uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation) {
    opin_key key;
    derive_from_number(&key, token, "opin check", generation);
    return key.inner[0];
}

/* The payload of a code under one window's key. The same time for every number. */
OPIN_APART OPIN_LOCAL uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim,
                              uint32_t window) {
    const opin_family *const family = &profile->families[claim->family];
    uint8_t context[OPIN_DIGEST_BYTES + 5];
    uint32_t a = claim->a, b = claim->b;
    opin_key key;
    memcpy(context, profile->digest, OPIN_DIGEST_BYTES);
    context[OPIN_DIGEST_BYTES] = (uint8_t)claim->family;
    opin_put(context + OPIN_DIGEST_BYTES + 1, 4, window);
    set_key(&key, token);
    derive(&key, "opin window", context, sizeof context);
    memcpy(key.outer, key.inner, sizeof key.outer);
    opin_key_set(&key, key.outer);
    opin_decipher(&a, &b, &key, family->low, family->high);
    return (uint64_t)opin_scale(a, family->high, b) << 32 | (a * family->high + b);
}
