/* Everything that needs the device token: window keys and the cipher, the ratchet, tags, the check value (sections 3 and 7). */
#define OPIN_LANES 1
#ifndef OPIN_SMALL
#define OPIN_SMALL
#endif
#include "opin_cipher.h"
#include "opin_kdf.h"
#include "opin_lock.h"

OPIN_ASSERT(a_token_is_a_key, (int)OPIN_TOKEN_BYTES == OPIN_KEY_BYTES);

/* A label with the 00 that follows it. */
#define LABEL(text) (const uint8_t *)(text), sizeof(text)

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

static void feed_bytes(opin_feed *feed, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        feed_byte(feed, bytes[i]);
    }
}

static void feed_word(opin_feed *feed, uint32_t word) {
    for (uint32_t i = 0; i < 4; i++) {
        feed_byte(feed, word >> 24);
        word <<= 8;
    }
}

/* The HMAC of be32(1) || label || 00 || context || be32(256). It takes the place of the key's inner state. */
OPIN_APART static void hmac(opin_key *key, const uint8_t *label, uint32_t letters, const uint8_t *context, uint32_t count) {
    opin_feed feed;
    feed.state = key->inner;
    feed.count = 64;
    feed_word(&feed, 1);
    feed_bytes(&feed, label, letters);
    feed_bytes(&feed, context, count);
    feed_word(&feed, 256);
    const uint32_t bits = 8 * feed.count;
    feed_byte(&feed, 0x80);
    while (feed.count % 64 != 60) {
        feed_byte(&feed, 0);
    }
    feed_word(&feed, bits);
    opin_hmac_close(key->inner, key, feed.w);
}

/* The key of 32 secret bytes. */
static void set_key(opin_key *key, const uint8_t bytes[OPIN_KEY_BYTES]) {
    for (uint32_t i = 0; i < 8; i++) {
        key->outer[i] = opin_get(bytes + 4 * i, 4);
    }
    opin_key_set(key, key->outer);
}

/* KDF(token, label, context); derived may be where the token or the context is. key is where the token's key is put. */
static void derive(uint8_t derived[OPIN_KEY_BYTES], opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES], const uint8_t *label,
                   uint32_t letters, const uint8_t *context, uint32_t count) {
    set_key(key, token);
    hmac(key, label, letters, context, count);
    for (uint32_t i = 0; i < 8; i++) {
        opin_put(derived + 4 * i, 4, key->inner[i]);
    }
}

OPIN_LOCAL void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length) {
    uint8_t derived[OPIN_KEY_BYTES];
    opin_key key;
    derive(derived, &key, token, LABEL("opin remember"), (const uint8_t *)text, length);
    memcpy(tag, derived, OPIN_TAG_BYTES);
}

/* KDF(token, label, be32(number)). */
static void derive_from_number(uint8_t derived[OPIN_KEY_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const uint8_t *label,
                               uint32_t letters, uint32_t number) {
    uint8_t context[4];
    opin_key key;
    opin_put(context, 4, number);
    derive(derived, &key, token, label, letters, context, sizeof context);
}

/* Step the token to generation next, in place. */
OPIN_LOCAL void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next) {
    derive_from_number(token, token, LABEL("opin ratchet"), next);
}

OPIN_LOCAL uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation) {
    uint8_t derived[OPIN_KEY_BYTES];
    derive_from_number(derived, token, LABEL("opin check"), generation);
    return opin_get(derived, 4);
}

/* The payload of a code under one window's key. The same time for every number. */
OPIN_APART OPIN_LOCAL uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim,
                              uint32_t window) {
    const opin_family *const family = &profile->families[claim->family];
    uint8_t bytes[OPIN_KEY_BYTES]; /* the context, and then the window key */
    uint32_t a = claim->a, b = claim->b;
    opin_key key;
    memcpy(bytes, profile->digest, OPIN_DIGEST_BYTES);
    bytes[OPIN_DIGEST_BYTES] = (uint8_t)claim->family;
    opin_put(bytes + OPIN_DIGEST_BYTES + 1, 4, window);
    derive(bytes, &key, token, LABEL("opin window"), bytes, OPIN_DIGEST_BYTES + 5);
    set_key(&key, bytes);
    opin_decipher(&a, &b, &key, family->low, family->high);
    return (uint64_t)a * family->high + b;
}
