/* The shared source as a lock compiles it, one lane wide with rolled rounds. Reads cases as lines of
 * "token generation digest family window radix length number" and prints "next-token window-key opened sealed-again". */
#define OPIN_LANES 1
#define OPIN_SMALL
#include "opin_cipher.h"
#include "opin_kdf.h"

#include <inttypes.h>
#include <stdio.h>

static void read_hex(uint8_t *bytes, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        unsigned value = 0;
        (void)sscanf(text + 2 * i, "%2x", &value);
        bytes[i] = (uint8_t)value;
    }
}

static void print_key(const uint32_t words[8]) {
    for (int i = 0; i < 8; i++) {
        printf("%08" PRIx32, words[i]);
    }
    printf(" ");
}

int main(void) {
    char token_text[65], digest_text[33];
    uint32_t generation, family, window, radix, length;
    uint64_t number;
    while (scanf("%64s %" SCNu32 " %32s %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64, token_text, &generation, digest_text,
                 &family, &window, &radix, &length, &number) == 8) {
        uint8_t token[32], digest[16];
        uint32_t words[8], next[8], low = 1, high = 1;
        opin_key key;
        read_hex(token, 32, token_text);
        read_hex(digest, 16, digest_text);
        for (int i = 0; i < 8; i++) {
            words[i] = opin_read_word(token + 4 * i);
        }
        for (uint32_t i = 0; i < length / 2; i++) {
            low *= radix;
        }
        for (uint32_t i = 0; i < length - length / 2; i++) {
            high *= radix;
        }
        opin_key_set(&key, words);
        opin_ratchet(next, &key, generation + 1);
        print_key(next);
        opin_window_key(words, &key, digest, family, window);
        print_key(words);
        opin_key_set(&key, words);
        uint32_t a = (uint32_t)(number / high), b = (uint32_t)(number % high);
        opin_decipher(&a, &b, &key, low, high);
        const uint64_t opened = (uint64_t)a * high + b;
        opin_encipher(&a, &b, &key, low, high);
        printf("%" PRIu64 " %" PRIu64 "\n", opened, (uint64_t)a * high + b);
    }
    return 0;
}
