/* Everything that needs the device token: window keys and the cipher, the ratchet, tags, the check value (sections 3 and 7). */
#define OPIN_LANES 1
#ifndef OPIN_SMALL
#define OPIN_SMALL
#endif
#include "opin_cipher.h"
#include "opin_kdf.h"
#include "opin_lock.h"

OPIN_ASSERT(a_token_is_a_key, (int)OPIN_TOKEN_BYTES == OPIN_KEY_BYTES);
OPIN_ASSERT(a_text_fits_into_a_message, (int)OPIN_MOST_KEYS <= OPIN_DEVICE_ID_BYTES);

/* A token as a key. */
OPIN_APART static void set_key(opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES]) {
    uint32_t words[8];
    for (uint32_t i = 0; i < 8; i++) {
        words[i] = opin_read_word(token + 4 * i);
    }
    opin_key_set(key, words);
}

/* Hash be32(1) || label || 00 || context || be32(256) into the inner state of a key, as it is written: the stack holds one block, and not
 * the two that a long text takes. */
OPIN_APART static void hash_message(uint32_t state[8], const char *label, const uint8_t *context, uint32_t count) {
    uint32_t w[16], letters = 0;
    while (label[letters] != '\0') {
        letters++;
    }
    const uint32_t start = 4 + letters + 1, length = start + count + 4;
    const uint32_t padded = (length + 9 + 63) & ~UINT32_C(63);
    for (uint32_t at = 0; at < padded; at++) {
        uint32_t byte = 0;
        if (at == 3 || at == length - 2) {
            byte = 1;
        } else if (at >= 4 && at < 4 + letters) {
            byte = (uint8_t)label[at - 4];
        } else if (at >= start && at < start + count) {
            byte = context[at - start];
        } else if (at == length) {
            byte = 0x80;
        }
        w[at / 4 % 16] = w[at / 4 % 16] << 8 | byte;
        if (at % 64 == 63) {
            w[15] = at + 1 == padded ? 8 * (64 + length) : w[15];
            opin_hash_block(state, w);
        }
    }
}

/* KDF(token, label, context), 8 words. key is where the token's key is put. */
static void derive(uint32_t derived[8], opin_key *key, const uint8_t token[OPIN_TOKEN_BYTES], const char *label, const uint8_t *context,
                   uint32_t count) {
    set_key(key, token);
    memcpy(derived, key->inner, sizeof key->inner);
    hash_message(derived, label, context, count);
    opin_hmac_end(derived, key);
}

void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length) {
    uint32_t words[8];
    opin_key key;
    derive(words, &key, token, "opin remember", (const uint8_t *)text, length);
    opin_write_word(tag, words[0]);
    opin_write_word(tag + 4, words[1]);
}

/* Step the token to generation next, in place. */
void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next) {
    uint32_t words[8];
    uint8_t context[4];
    opin_key key;
    opin_write_word(context, next);
    derive(words, &key, token, "opin ratchet", context, sizeof context);
    for (uint32_t i = 0; i < 8; i++) {
        opin_write_word(token + 4 * i, words[i]);
    }
}

uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation) {
    uint32_t words[8];
    uint8_t context[4];
    opin_key key;
    opin_write_word(context, generation);
    derive(words, &key, token, "opin check", context, sizeof context);
    return words[0];
}

/* The payload of a code under one window's key. The same time for every number. */
uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim, uint32_t window) {
    const opin_family *const family = &profile->families[claim->family];
    uint8_t context[OPIN_DIGEST_BYTES + 5];
    uint32_t words[8], a = claim->a, b = claim->b;
    opin_key key;
    memcpy(context, profile->digest, OPIN_DIGEST_BYTES);
    context[OPIN_DIGEST_BYTES] = (uint8_t)claim->family;
    opin_write_word(context + OPIN_DIGEST_BYTES + 1, window);
    derive(words, &key, token, "opin window", context, sizeof context);
    opin_key_set(&key, words);
    opin_decipher(&a, &b, &key, family->low, family->high);
    return (uint64_t)a * family->high + b;
}
