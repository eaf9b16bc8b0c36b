/* Which rows share a device, or a window key, and which take their variants from one place. */
#include "_loops.h"

#include <string.h>

/* Up to eight bytes of a text as a number. */
static uint64_t word_at(const uint8_t *text, size_t length) {
    uint64_t word = 0;
    if (length >= sizeof word) {
        memcpy(&word, text, sizeof word); /* of a length that the compiler knows: one load */
    } else {
        for (size_t i = 0; i < length; i++) {
            word = word << 8 | text[i];
        }
    }
    return word;
}

/* A mixture of a text's bytes and its length; its last word may hold bytes of the one before. */
static uint64_t text_hash(const uint8_t *text, size_t length) {
    uint64_t mixed = length * 0x9E3779B97F4A7C15U;
    for (size_t at = 0; at + 8 < length; at += 8) {
        mixed = (mixed ^ word_at(text + at, 8)) * 0xBF58476D1CE4E5B9U;
        mixed ^= mixed >> 32;
    }
    mixed = (mixed ^ word_at(text + (length > 8 ? length - 8 : 0), length)) * 0x94D049BB133111EBU;
    return mixed; /* mixed best at the top */
}

static int is_same_text(const uint8_t *a, const uint8_t *b, size_t length) {
    uint64_t other = 0;
    for (size_t at = 0; at + 8 < length; at += 8) {
        other |= word_at(a + at, 8) ^ word_at(b + at, 8);
    }
    const size_t last = length > 8 ? length - 8 : 0;
    return (other | (word_at(a + last, length) ^ word_at(b + last, length))) == 0;
}

uint32_t opin_texts_once(const uint8_t *blob, const int64_t *offsets, size_t n, uint32_t *places, unsigned bits, int64_t *first,
                         uint32_t *index) {
    const size_t last = ((size_t)1 << bits) - 1;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *const text = blob + offsets[i];
        const size_t length = (size_t)(offsets[i + 1] - offsets[i]);
        size_t place = (size_t)(text_hash(text, length) >> (64 - bits));
        for (; places[place] != 0; place = (place + 1) & last) {
            const int64_t *const other = offsets + first[places[place] - 1];
            if ((size_t)(other[1] - other[0]) == length && is_same_text(blob + other[0], text, length)) {
                break;
            }
        }
        if (places[place] == 0) {
            first[count] = (int64_t)i;
            places[place] = ++count;
        }
        index[i] = places[place] - 1;
    }
    return count;
}

uint32_t opin_pairs(const uint32_t *devices, const uint32_t *windows, size_t n, uint32_t low, size_t width, uint32_t *places,
                    uint32_t *distinct_devices, uint32_t *distinct_windows, uint32_t *index) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t *const place = &places[devices[i] * width + (windows[i] - low)];
        if (*place == 0) {
            distinct_devices[count] = devices[i];
            distinct_windows[count] = windows[i];
            *place = ++count;
        }
        index[i] = *place - 1;
    }
    return count;
}

void opin_place_hashes(const uint64_t *devices, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
                       uint64_t *hashes) {
    for (size_t i = 0; i < n; i++) {
        uint64_t mixed = devices[i] + (uint64_t)starts[i] * 0x9E3779B97F4A7C15U;
        mixed ^= mixed >> 30;
        mixed *= 0xBF58476D1CE4E5B9U;
        mixed += ((uint64_t)durations[i] << 16) + (uint64_t)numbers[i];
        mixed ^= mixed >> 27;
        mixed *= 0x94D049BB133111EBU;
        mixed ^= mixed >> 31;
        hashes[i] = mixed != 0 ? mixed : 1;
    }
}
