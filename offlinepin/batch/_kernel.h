/* The batch kernel's interface: whole columns at once, one implementation a lane width. Every array is the caller's and
 * holds n rows; nothing is read or written outside, and nothing is checked: the Python side has done that. */
#ifndef OPIN_KERNEL_H
#define OPIN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* How a family's numbers look as text: radix symbols of alphabet, u + v of them, after a prefix of printable ASCII. */
typedef struct {
    uint32_t radix, u, v; /* 2 to 16; floor and ceiling of half the sealed length */
    uint32_t low, high;   /* radix^u and radix^v, below 2^32 */
    uint32_t prefix_bytes;
    const uint8_t *prefix;
    uint8_t alphabet[16];
} opin_shape;

/* Names of devices, or typed texts: row i is blob[offsets[i]] up to blob[offsets[i + 1]]; n + 1 offsets. */
typedef struct {
    const uint8_t *blob;
    const int64_t *offsets;
} opin_texts;

/* HMAC states, 16 words a key, inner before outer, and which key each row takes: index[i], or i where index is NULL. */
typedef struct {
    const uint32_t *words;
    const uint32_t *index;
} opin_states;

/* Tokens of 32 bytes and which of them each row takes (index[i], or i where index is NULL), and each row's window of one family. */
typedef struct {
    const uint8_t *tokens;
    const uint32_t *index;
    const uint8_t *digest; /* 16 bytes */
    const uint32_t *windows;
    uint32_t family; /* its index, 0 to 255 */
} opin_tokens;

/* The rows of opin_seal_rows: another device in each. */
typedef struct {
    const uint32_t *master; /* the master key's 16 state words */
    opin_texts ids;         /* of 1 to 64 bytes */
    const uint32_t *generations;
    const uint8_t *digest; /* 16 bytes */
    const uint32_t *windows;
    const uint64_t *payloads; /* below low * high */
    uint32_t family;          /* its index, 0 to 255 */
} opin_requests;

/* One lane width's implementation. */
typedef struct {
    const char *name; /* avx512, sha, avx2, four (SSE2 or NEON) or plain */
    /* keys of 32 bytes to states of 16 words */
    void (*midstates)(const uint8_t *keys, size_t n, uint32_t *states);
    /* tokens of 32 bytes, of generation generations[i] */
    void (*derive_tokens)(const uint32_t *master, const opin_texts *ids, const uint32_t *generations, size_t n, uint8_t *tokens);
    /* window keys of 32 bytes, from the states of tokens */
    void (*window_keys)(const opin_states *tokens, const uint8_t *digest, const uint8_t *families, const uint32_t *windows, size_t n,
                        uint8_t *keys);
    /* numbers below low * high, enciphered or deciphered under the states of window keys; in and out may be one array */
    void (*seal)(const opin_states *keys, const uint64_t *payloads, size_t n, uint32_t low, uint32_t high, uint64_t *numbers);
    void (*open)(const opin_states *keys, const uint64_t *numbers, size_t n, uint32_t low, uint32_t high, uint64_t *payloads);
    /* the same, each row under a window key of its own, which is derived on the way: 26 compressions a row */
    void (*seal_tokens)(const opin_tokens *tokens, const uint64_t *payloads, size_t n, uint32_t low, uint32_t high, uint64_t *numbers);
    void (*open_tokens)(const opin_tokens *tokens, const uint64_t *numbers, size_t n, uint32_t low, uint32_t high, uint64_t *payloads);
    /* prefix and symbols of every number, stride bytes apart, stride >= prefix_bytes + u + v; bytes between are left alone */
    void (*format)(const uint64_t *numbers, size_t n, const opin_shape *shape, size_t stride, uint8_t *text);
    /* all in one: token, window key, seal, format; 28 compressions a row where an id has up to 36 bytes */
    void (*seal_rows)(const opin_requests *requests, size_t n, const opin_shape *shape, size_t stride, uint8_t *text);
} opin_kernel;

extern const opin_kernel opin_kernel_plain;
#if defined(__GNUC__)
extern const opin_kernel opin_kernel_four;
#if defined(__x86_64__) || defined(__i386__)
extern const opin_kernel opin_kernel_avx2;
extern const opin_kernel opin_kernel_avx512;
extern const opin_kernel opin_kernel_sha;
#endif
#endif

/* The widths that this processor has, fastest first; NULL from the end of the list on. */
const opin_kernel *opin_kernel_at(unsigned place);

/* Whether a width gives what the plain one gives, on a few rows of every kind. */
int opin_kernel_sound(const opin_kernel *kernel);

/* The number that each typed text spells after its prefix, and known[i] = 1; 0 and known[i] = 0 for a text of another
 * length, prefix or alphabet. */
void opin_parse(const opin_texts *typed, size_t n, const opin_shape *shape, uint64_t *numbers, uint8_t *known);

#endif
