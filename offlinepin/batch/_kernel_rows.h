/* The rows of a batch in groups of OPIN_LANES: one implementation of opin_kernel, for the width that the including file sets.
 * A last group that is not full repeats the last row in its idle lanes and writes only the real ones. */
#include "opin_cipher.h"
#include "opin_kdf.h"

#include "_kernel.h"

/* The rows of one group. */
typedef struct {
    size_t first;
    size_t count; /* 1 to OPIN_LANES */
} opin_group;

/* The group that starts at row first of n. */
OPIN_INLINE opin_group opin_group_at(size_t first, size_t n) {
    const opin_group group = {first, n - first < OPIN_LANES ? n - first : OPIN_LANES};
    return group;
}

/* The row that a lane works on. */
OPIN_INLINE size_t opin_group_row(opin_group group, size_t lane) {
    return group.first + (lane < group.count ? lane : group.count - 1);
}

#define OPIN_EACH_GROUP(group, n) \
    for (opin_group group = {0, 0}; group.first < (n) && (group = opin_group_at(group.first, n), 1); group.first += OPIN_LANES)

OPIN_INLINE opin_lane opin_gather_words(const uint32_t *column, opin_group group) {
    uint32_t words[OPIN_LANES];
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        words[lane] = column[opin_group_row(group, lane)];
    }
    return opin_load(words);
}

/* Keys of 32 bytes as 8 words a lane: key index[row] of each row, or key row where index is NULL. */
OPIN_INLINE void opin_gather_keys(opin_lane words[8], const uint8_t *keys, const uint32_t *index, opin_group group) {
    uint32_t columns[8][OPIN_LANES];
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        const size_t row = opin_group_row(group, lane);
        const uint8_t *const key = keys + OPIN_KEY_BYTES * (index != NULL ? index[row] : row);
        for (size_t i = 0; i < 8; i++) {
            columns[i][lane] = opin_read_word(key + 4 * i);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        words[i] = opin_load(columns[i]);
    }
}

OPIN_INLINE void opin_scatter_keys(uint8_t *keys, const opin_lane words[8], opin_group group) {
    uint32_t columns[8][OPIN_LANES];
    for (size_t i = 0; i < 8; i++) {
        opin_store(columns[i], words[i]);
    }
    for (size_t lane = 0; lane < group.count; lane++) {
        for (size_t i = 0; i < 8; i++) {
            opin_write_word(keys + OPIN_KEY_BYTES * (group.first + lane) + 4 * i, columns[i][lane]);
        }
    }
}

/* Each lane's state of its row's key. */
OPIN_INLINE void opin_gather_states(opin_key *key, const opin_states *states, opin_group group) {
    uint32_t columns[16][OPIN_LANES];
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        const size_t row = opin_group_row(group, lane);
        const uint32_t *const words = states->words + 16 * (states->index != NULL ? states->index[row] : row);
        for (size_t i = 0; i < 16; i++) {
            columns[i][lane] = words[i];
        }
    }
    for (size_t i = 0; i < 8; i++) {
        key->inner[i] = opin_load(columns[i]);
        key->outer[i] = opin_load(columns[i + 8]);
    }
}

OPIN_INLINE void opin_scatter_states(uint32_t *states, const opin_key *key, opin_group group) {
    uint32_t columns[16][OPIN_LANES];
    for (size_t i = 0; i < 8; i++) {
        opin_store(columns[i], key->inner[i]);
        opin_store(columns[i + 8], key->outer[i]);
    }
    for (size_t lane = 0; lane < group.count; lane++) {
        for (size_t i = 0; i < 16; i++) {
            states[16 * (group.first + lane) + i] = columns[i][lane];
        }
    }
}

/* The halves of each lane's number. high is at least 2. */
OPIN_INLINE void opin_gather_halves(opin_lane *a, opin_lane *b, const uint64_t *numbers, uint32_t high, opin_group group) {
    uint32_t uppers[OPIN_LANES], lowers[OPIN_LANES];
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        const uint64_t number = numbers[opin_group_row(group, lane)];
        uppers[lane] = (uint32_t)(number / high);
        lowers[lane] = (uint32_t)(number % high);
    }
    *a = opin_load(uppers);
    *b = opin_load(lowers);
}

OPIN_INLINE void opin_scatter_halves(uint64_t *numbers, opin_lane a, opin_lane b, uint32_t high, opin_group group) {
    uint32_t uppers[OPIN_LANES], lowers[OPIN_LANES];
    opin_store(uppers, a);
    opin_store(lowers, b);
    for (size_t lane = 0; lane < group.count; lane++) {
        numbers[group.first + lane] = (uint64_t)uppers[lane] * high + lowers[lane];
    }
}

/* Prefix and symbols of each lane's halves. */
OPIN_FUNCTION void opin_scatter_text(uint8_t *text, size_t stride, const opin_shape *shape, opin_lane a, opin_lane b,
                                     opin_group group) {
    opin_lane digits[2 * OPIN_HALF_SYMBOLS];
    uint32_t columns[2 * OPIN_HALF_SYMBOLS][OPIN_LANES];
    uint8_t alphabet[OPIN_RADIX_MOST]; /* a copy, so that no store of a symbol can change it */
    const size_t symbols = shape->u + shape->v, prefix_bytes = shape->prefix_bytes;
    memcpy(alphabet, shape->alphabet, sizeof alphabet);
    opin_digits(digits, a, shape->radix, shape->u);
    opin_digits(digits + shape->u, b, shape->radix, shape->v);
    memcpy(columns, digits, symbols * sizeof digits[0]);
    for (size_t lane = 0; lane < group.count; lane++) {
        uint8_t *out = text + stride * (group.first + lane);
        for (size_t i = 0; i < prefix_bytes; i++) {
            *out++ = shape->prefix[i];
        }
        for (size_t i = 0; i < symbols; i++) {
            *out++ = alphabet[columns[i][lane]];
        }
    }
}

/* One key in every lane. */
OPIN_INLINE void opin_key_all(opin_key *key, const uint32_t state[16]) {
    for (size_t i = 0; i < 8; i++) {
        key->inner[i] = opin_all(state[i]);
        key->outer[i] = opin_all(state[i + 8]);
    }
}

/* Each lane's token at generation 0: KDF(MK, "opin token", device id). */
OPIN_FUNCTION void opin_first_tokens(opin_lane tokens[8], const opin_key *master, const opin_texts *ids, opin_group group) {
    opin_message messages[OPIN_LANES];
    uint32_t blocks[OPIN_LANES];
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        const int64_t *const at = ids->offsets + opin_group_row(group, lane);
        blocks[lane] = opin_message_write(&messages[lane], "opin token", 10, ids->blob + at[0], (size_t)(at[1] - at[0]));
    }
    opin_kdf(tokens, master, messages, blocks);
}

/* Step each lane's token from generation 0 to its own; lanes that are there already keep theirs. */
OPIN_FUNCTION void opin_step_tokens(opin_lane tokens[8], opin_lane generations) {
    uint32_t last[OPIN_LANES], most = 0;
    opin_store(last, generations);
    for (size_t lane = 0; lane < OPIN_LANES; lane++) {
        most = last[lane] > most ? last[lane] : most;
    }
    for (uint32_t g = 0; g < most; g++) {
        opin_key key;
        opin_lane stepped[8];
        const opin_lane wanted = opin_below(opin_all(g), generations);
        opin_key_set(&key, tokens);
        opin_ratchet(stepped, &key, opin_all(g + 1));
        for (size_t i = 0; i < 8; i++) {
            tokens[i] = opin_choose(wanted, stepped[i], tokens[i]);
        }
    }
}

static void opin_rows_midstates(const uint8_t *keys, size_t n, uint32_t *states) {
    OPIN_EACH_GROUP(group, n) {
        opin_lane words[8];
        opin_key key;
        opin_gather_keys(words, keys, NULL, group);
        opin_key_set(&key, words);
        opin_scatter_states(states, &key, group);
    }
}

static void opin_rows_derive_tokens(const uint32_t *master, const opin_texts *ids, const uint32_t *generations, size_t n,
                                    uint8_t *tokens) {
    opin_key key;
    opin_key_all(&key, master);
    OPIN_EACH_GROUP(group, n) {
        opin_lane words[8];
        opin_first_tokens(words, &key, ids, group);
        opin_step_tokens(words, opin_gather_words(generations, group));
        opin_scatter_keys(tokens, words, group);
    }
}

static void opin_rows_window_keys(const opin_states *tokens, const uint8_t *digest, const uint8_t *families, const uint32_t *windows,
                                  size_t n, uint8_t *keys) {
    OPIN_EACH_GROUP(group, n) {
        uint32_t family[OPIN_LANES];
        opin_lane words[8];
        opin_key token;
        for (size_t lane = 0; lane < OPIN_LANES; lane++) {
            family[lane] = families[opin_group_row(group, lane)];
        }
        opin_gather_states(&token, tokens, group);
        opin_window_key(words, &token, digest, opin_load(family), opin_gather_words(windows, group));
        opin_scatter_keys(keys, words, group);
    }
}

/* The state of each lane's window key, from its token. */
OPIN_FUNCTION void opin_window_state(opin_key *key, opin_lane words[8], const uint8_t *digest, uint32_t family, const uint32_t *windows,
                                     opin_group group) {
    opin_key_set(key, words);
    opin_window_key(words, key, digest, opin_all(family), opin_gather_words(windows, group));
    opin_key_set(key, words);
}

/* The same for the tokens of rows: six compressions. */
OPIN_INLINE void opin_gather_window_states(opin_key *key, const opin_tokens *tokens, opin_group group) {
    opin_lane words[8];
    opin_gather_keys(words, tokens->tokens, tokens->index, group);
    opin_window_state(key, words, tokens->digest, tokens->family, tokens->windows, group);
}

/* Numbers enciphered or deciphered under keys that opin_gather_... finds. */
#define OPIN_PERMUTE(name, keys_type, gather, cipher)                                                                                     \
    static void opin_rows_##name(const keys_type *keys, const uint64_t *in, size_t n, uint32_t low, uint32_t high, uint64_t *out) {      \
        OPIN_EACH_GROUP(group, n) {                                                                                                       \
            opin_lane a, b;                                                                                                               \
            opin_key key;                                                                                                                 \
            gather(&key, keys, group);                                                                                                    \
            opin_gather_halves(&a, &b, in, high, group);                                                                                  \
            cipher(&a, &b, &key, low, high);                                                                                              \
            opin_scatter_halves(out, a, b, high, group);                                                                                  \
        }                                                                                                                                 \
    }

OPIN_PERMUTE(seal, opin_states, opin_gather_states, opin_encipher)
OPIN_PERMUTE(open, opin_states, opin_gather_states, opin_decipher)
OPIN_PERMUTE(seal_tokens, opin_tokens, opin_gather_window_states, opin_encipher)
OPIN_PERMUTE(open_tokens, opin_tokens, opin_gather_window_states, opin_decipher)

static void opin_rows_format(const uint64_t *numbers, size_t n, const opin_shape *shape, size_t stride, uint8_t *text) {
    OPIN_EACH_GROUP(group, n) {
        opin_lane a, b;
        opin_gather_halves(&a, &b, numbers, shape->high, group);
        opin_scatter_text(text, stride, shape, a, b, group);
    }
}

static void opin_rows_seal_rows(const opin_requests *requests, size_t n, const opin_shape *shape, size_t stride, uint8_t *text) {
    opin_key master;
    opin_key_all(&master, requests->master);
    OPIN_EACH_GROUP(group, n) {
        opin_lane words[8], a, b;
        opin_key key;
        opin_first_tokens(words, &master, &requests->ids, group);
        opin_step_tokens(words, opin_gather_words(requests->generations, group));
        opin_window_state(&key, words, requests->digest, requests->family, requests->windows, group);
        opin_gather_halves(&a, &b, requests->payloads, shape->high, group);
        opin_encipher(&a, &b, &key, shape->low, shape->high);
        opin_scatter_text(text, stride, shape, a, b, group);
    }
}

#define OPIN_KERNEL(width)                                                                                                       \
    const opin_kernel opin_kernel_##width = {#width,           opin_rows_midstates,   opin_rows_derive_tokens, opin_rows_window_keys, \
                                             opin_rows_seal,   opin_rows_open,        opin_rows_seal_tokens,   opin_rows_open_tokens, \
                                             opin_rows_format, opin_rows_seal_rows}
