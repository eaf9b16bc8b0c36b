/* Runs every lane width that the processor has on row counts around its width, with every array allocated to its exact size, so that
 * AddressSanitizer sees any byte read or written outside, and compares all results with the plain width's. Prints what it ran. */
#include "_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t *blob, *keys, *families, *text, *known, *prefix, *digest;
    uint32_t *master, *generations, *windows, *index, *words;
    uint64_t *payloads, *numbers, *opened, *parsed;
    int64_t *offsets;
} columns;

/* An allocation of its own, of exactly so many bytes. */
static void *exactly(size_t bytes) {
    void *const p = malloc(bytes != 0 ? bytes : 1);
    if (p == NULL) {
        abort();
    }
    memset(p, 0xA5, bytes);
    return bytes != 0 ? p : (free(p), malloc(0));
}

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8 | *seed << 24;
}

/* n rows: ids of 1 to 64 bytes that end with the blob, generations 0 to 3, payloads over the whole space. */
static columns make(size_t n, const opin_shape *shape, size_t stride) {
    uint32_t seed = (uint32_t)n * 31 + shape->radix;
    columns c;
    size_t total = 0;
    c.offsets = exactly((n + 1) * sizeof(int64_t));
    for (size_t i = 0; i <= n; i++) {
        c.offsets[i] = (int64_t)total;
        total += i < n ? 1 + (i * 29 + n) % 64 : 0;
    }
    c.blob = exactly(total);
    for (size_t i = 0; i < total; i++) {
        c.blob[i] = (uint8_t)next_random(&seed);
    }
    c.master = exactly(16 * 4);
    c.digest = exactly(16);
    for (size_t i = 0; i < 16; i++) {
        c.master[i] = next_random(&seed);
        c.digest[i] = (uint8_t)i;
    }
    c.generations = exactly(n * 4);
    c.windows = exactly(n * 4);
    c.index = exactly(n * 4);
    c.families = exactly(n);
    c.payloads = exactly(n * 8);
    const uint64_t last = (uint64_t)shape->low * shape->high - 1;
    for (size_t i = 0; i < n; i++) {
        c.generations[i] = (uint32_t)(i % 4);
        c.windows[i] = next_random(&seed);
        c.index[i] = (uint32_t)(n - 1 - i);
        c.families[i] = (uint8_t)next_random(&seed);
        c.payloads[i] = i % 5 == 0 ? last : (uint64_t)next_random(&seed) * next_random(&seed) % (last + 1);
    }
    c.keys = exactly(n * 32);
    c.words = exactly(n * 64);
    c.numbers = exactly(n * 8);
    c.opened = exactly(n * 8);
    c.parsed = exactly(n * 8);
    c.known = exactly(n);
    c.text = exactly(n * stride);
    c.prefix = exactly(shape->prefix_bytes);
    memset(c.prefix, '*', shape->prefix_bytes);
    return c;
}

static void drop(columns *c) {
    void *const all[] = {c->blob,  c->keys,  c->families, c->text,     c->known,   c->prefix, c->digest, c->master, c->generations,
                         c->windows, c->index, c->words,    c->payloads, c->numbers, c->opened, c->parsed, c->offsets};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
}

static void fail(const char *what, const opin_kernel *kernel, size_t n) {
    printf("%s: %s differs at %zu rows\n", kernel->name, what, n);
    exit(1);
}

/* Parse what was sealed, each text ending where its column ends. */
static void read_back(const opin_kernel *kernel, columns *c, size_t n, const opin_shape *shape) {
    const size_t total = shape->prefix_bytes + shape->u + shape->v;
    int64_t *const ends = exactly((n + 1) * sizeof(int64_t));
    for (size_t i = 0; i <= n; i++) {
        ends[i] = (int64_t)(i * total);
    }
    const opin_texts typed = {c->text, ends};
    opin_parse(&typed, n, shape, c->parsed, c->known);
    for (size_t i = 0; i < n; i++) {
        if (c->known[i] != 1 || c->parsed[i] != c->numbers[i]) {
            fail("parsing", kernel, n);
        }
    }
    free(ends);
}

/* A code without its last symbol is none, and is not read beyond. */
static void read_short(const opin_kernel *kernel, const columns *c, size_t n, const opin_shape *shape) {
    const size_t bytes = shape->prefix_bytes + shape->u + shape->v - 1;
    uint8_t *const text = exactly(bytes);
    const int64_t ends[2] = {0, (int64_t)bytes};
    const opin_texts typed = {text, ends};
    uint64_t number = 1;
    uint8_t known = 1;
    memcpy(text, c->text, bytes);
    opin_parse(&typed, 1, shape, &number, &known);
    if (known != 0 || number != 0) {
        fail("parsing a short text", kernel, n);
    }
    free(text);
}

/* Every function of one width; returns a checksum of all that it made. */
static uint64_t run(const opin_kernel *kernel, size_t n, opin_shape shape, size_t stride) {
    columns c = make(n, &shape, stride);
    shape.prefix = c.prefix;
    const opin_texts ids = {c.blob, c.offsets};
    const opin_requests requests = {c.master, ids, c.generations, c.digest, c.windows, c.payloads, 200};
    const opin_states states = {c.words, c.index};
    uint64_t sum = 14695981039346656037U;
    kernel->derive_tokens(c.master, &ids, c.generations, n, c.keys);
    kernel->midstates(c.keys, n, c.words);
    const opin_tokens tokens = {c.keys, c.index, c.digest, c.windows, 200};
    kernel->seal_tokens(&tokens, c.payloads, n, shape.low, shape.high, c.numbers);
    kernel->open_tokens(&tokens, c.numbers, n, shape.low, shape.high, c.opened);
    if (n > 0 && memcmp(c.opened, c.payloads, n * 8) != 0) {
        fail("opening by tokens", kernel, n);
    }
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ c.numbers[i]) * 1099511628211U;
    }
    kernel->window_keys(&states, c.digest, c.families, c.windows, n, c.keys);
    kernel->midstates(c.keys, n, c.words);
    kernel->seal(&states, c.payloads, n, shape.low, shape.high, c.numbers);
    kernel->open(&states, c.numbers, n, shape.low, shape.high, c.opened);
    if (n > 0 && memcmp(c.opened, c.payloads, n * 8) != 0) {
        fail("opening", kernel, n);
    }
    kernel->format(c.numbers, n, &shape, stride, c.text);
    for (size_t i = 0; i < n * stride; i++) {
        sum = (sum ^ c.text[i]) * 1099511628211U;
    }
    if (stride == shape.prefix_bytes + shape.u + shape.v) {
        read_back(kernel, &c, n, &shape);
        if (n > 0) {
            read_short(kernel, &c, n, &shape);
        }
    }
    kernel->seal_rows(&requests, n, &shape, stride, c.text);
    for (size_t i = 0; i < n * stride; i++) {
        sum = (sum ^ c.text[i]) * 1099511628211U;
    }
    drop(&c);
    return sum;
}

static uint32_t power(uint32_t base, uint32_t exponent) {
    uint32_t result = 1;
    while (exponent-- > 0) {
        result *= base;
    }
    return result;
}

/* The self-test must refuse a width that is wrong in a single thing. */
static void wrong_open(const opin_states *keys, const uint64_t *numbers, size_t n, uint32_t low, uint32_t high, uint64_t *payloads) {
    opin_kernel_plain.open(keys, numbers, n, low, high, payloads);
    payloads[n - 1] ^= 1;
}

static void wrong_rows(const opin_requests *requests, size_t n, const opin_shape *shape, size_t stride, uint8_t *text) {
    opin_kernel_plain.seal_rows(requests, n, shape, stride, text);
    text[n * stride - 1] ^= 1;
}

int main(void) {
    static const uint32_t shapes[][3] = {{10, 9, 0}, {10, 12, 2}, {2, 62, 5}, {16, 1, 1}, {16, 14, 0}, {3, 40, 70}, {7, 22, 1}};
    static const size_t rows[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100};
    opin_kernel broken = opin_kernel_plain;
    broken.open = wrong_open;
    if (opin_kernel_sound(&broken) != 0) {
        return 2;
    }
    broken = opin_kernel_plain;
    broken.seal_rows = wrong_rows;
    if (opin_kernel_sound(&broken) != 0) {
        return 2;
    }
    for (unsigned place = 0; opin_kernel_at(place) != NULL; place++) {
        const opin_kernel *const kernel = opin_kernel_at(place);
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            const uint32_t radix = shapes[s][0], u = shapes[s][1] / 2, v = shapes[s][1] - u;
            opin_shape shape = {radix, u, v, power(radix, u), power(radix, v), shapes[s][2], NULL, "0123456789abcdef"};
            for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
                for (size_t spare = 0; spare < 2; spare++) {
                    const size_t stride = shape.prefix_bytes + u + v + 3 * spare;
                    if (run(kernel, rows[r], shape, stride) != run(&opin_kernel_plain, rows[r], shape, stride)) {
                        fail("the text", kernel, rows[r]);
                    }
                }
            }
        }
        if (opin_kernel_sound(kernel) == 0) {
            fail("the self-test", kernel, 0);
        }
        printf("%s sound\n", kernel->name);
    }
    return 0;
}
