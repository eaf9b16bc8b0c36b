/* Key derivation of format 1, section 3 (SP 800-108r1, counter mode, r = 32, L = 256), over lanes. */
#ifndef OPIN_KDF_H
#define OPIN_KDF_H

#include "opin_sha256.h"

enum {
    OPIN_KEY_BYTES = 32,
    OPIN_DIGEST_BYTES = 16,
    OPIN_DEVICE_ID_BYTES = 64,
    OPIN_LABEL_BYTES = 13, /* the longest label, "opin remember" */
};

/* A big-endian word. */
OPIN_INLINE uint32_t opin_read_word(const uint8_t bytes[4]) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

OPIN_INLINE void opin_write_word(uint8_t bytes[4], uint32_t word) {
    bytes[0] = (uint8_t)(word >> 24);
    bytes[1] = (uint8_t)(word >> 16);
    bytes[2] = (uint8_t)(word >> 8);
    bytes[3] = (uint8_t)word;
}

/* The next token of every lane: KDF(T(g), "opin ratchet", be32(g + 1)); key holds T(g), next is g + 1. 8 words. */
OPIN_INLINE void opin_ratchet(opin_lane token[8], const opin_key *key, opin_lane next) {
    opin_lane w[16] = {
        opin_all(1), opin_all(0x6f70696eU), opin_all(0x20726174U), opin_all(0x63686574U), next >> 8, next << 24 | opin_all(1),
        opin_all(0x00800000U), opin_all(0), opin_all(0), opin_all(0), opin_all(0), opin_all(0), opin_all(0), opin_all(0),
        opin_all(0), opin_all(8U * (64 + 25)),
    };
    opin_hmac(token, key, w);
}

/* The window key of every lane: KDF(T(g), "opin window", digest || be8(family) || be32(window)); family 0 to 255. 8 words. */
OPIN_INLINE void opin_window_key(opin_lane window_key[8], const opin_key *token, const uint8_t digest[OPIN_DIGEST_BYTES],
                                 opin_lane family, opin_lane window) {
    opin_lane w[16] = {
        opin_all(1), opin_all(0x6f70696eU), opin_all(0x2077696eU), opin_all(0x646f7700U),
        opin_all(opin_read_word(digest)), opin_all(opin_read_word(digest + 4)), opin_all(opin_read_word(digest + 8)),
        opin_all(opin_read_word(digest + 12)), family << 24 | window >> 8, window << 24 | opin_all(1),
        opin_all(0x00800000U), opin_all(0), opin_all(0), opin_all(0), opin_all(0), opin_all(8U * (64 + 41)),
    };
    opin_hmac(window_key, token, w);
}

/* A message of the key derivation for one lane, padded to one block or two. */
typedef struct {
    uint8_t bytes[128];
} opin_message;

/* Write be32(1) || label || 00 || context || be32(256) with SHA-256's padding, after one block that was hashed before.
 * label_bytes at most OPIN_LABEL_BYTES, context_bytes at most OPIN_DEVICE_ID_BYTES. Returns the number of blocks, 1 or 2. */
OPIN_INLINE unsigned opin_message_write(opin_message *message, const char *label, size_t label_bytes, const uint8_t *context,
                                        size_t context_bytes) {
    uint8_t *const bytes = message->bytes;
    const size_t start = 4 + label_bytes + 1;
    const size_t length = start + context_bytes + 4;
    const unsigned blocks = length + 9 <= 64 ? 1 : 2;
    memset(bytes, 0, sizeof message->bytes);
    bytes[3] = 1;
    memcpy(bytes + 4, label, label_bytes);
    memcpy(bytes + start, context, context_bytes);
    bytes[length - 2] = 1;
    bytes[length] = 0x80;
    opin_write_word(bytes + (64 * blocks - 4), (uint32_t)(8 * (64 + length)));
    return blocks;
}

/* One block of every lane's message as words. */
OPIN_INLINE void opin_message_load(opin_lane w[16], const opin_message messages[OPIN_LANES], unsigned block) {
    uint32_t words[OPIN_LANES];
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned lane = 0; lane < OPIN_LANES; lane++) {
            words[lane] = opin_read_word(messages[lane].bytes + 64 * block + 4 * i);
        }
        w[i] = opin_load(words);
    }
}

/* KDF(key, label, context) of every lane, from opin_message_write's messages and block counts. 8 words. */
OPIN_FUNCTION void opin_kdf(opin_lane derived[8], const opin_key *key, const opin_message messages[OPIN_LANES],
                            const uint32_t blocks[OPIN_LANES]) {
    opin_lane w[16];
    const opin_lane two = opin_below(opin_all(1), opin_load(blocks));
    uint32_t most = 1;
    memcpy(derived, key->inner, sizeof key->inner);
    opin_message_load(w, messages, 0);
    opin_hash_block(derived, w);
    for (unsigned lane = 0; lane < OPIN_LANES; lane++) {
        most |= blocks[lane];
    }
    if (most > 1) {
        opin_lane longer[8];
        memcpy(longer, derived, sizeof longer);
        opin_message_load(w, messages, 1);
        opin_hash_block(longer, w);
        for (int i = 0; i < 8; i++) {
            derived[i] = opin_choose(two, longer[i], derived[i]);
        }
    }
    opin_hmac_end(derived, key);
}

#endif
