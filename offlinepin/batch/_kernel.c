/* The choice among lane widths, by what the processor has, and what needs no lanes: parsing. */
#include "_kernel.h"

#include <string.h>

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#include <cpuid.h>
#define OPIN_X86 1
#endif

enum { KERNELS = 5, SAMPLE_ROWS = 37, SAMPLE_SYMBOLS = 9, SAMPLE_ID_BYTES = 64 };

#if defined(OPIN_X86)
/* CPUID leaf 7: EBX bit 29 says SHA; leaf 1: ECX bits 9 and 19 say SSSE3 and SSE4.1, which go with it. */
static int has_sha(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b >> 29 & 1U) == 0) {
        return 0;
    }
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 9 & c >> 19 & 1U) != 0;
}
#endif

const opin_kernel *opin_kernel_at(unsigned place) {
    const opin_kernel *found[KERNELS + 1] = {NULL};
    unsigned count = 0;
#if defined(OPIN_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        found[count++] = &opin_kernel_avx512;
    }
    if (has_sha() != 0) {
        found[count++] = &opin_kernel_sha;
    }
    if (__builtin_cpu_supports("avx2")) {
        found[count++] = &opin_kernel_avx2;
    }
    if (__builtin_cpu_supports("sse2")) {
        found[count++] = &opin_kernel_four;
    }
#elif defined(__GNUC__) && defined(__ARM_NEON)
    found[count++] = &opin_kernel_four;
#endif
    found[count++] = &opin_kernel_plain;
    return place < count ? found[place] : NULL;
}

/* What becomes of sample rows, as text and as three columns of numbers: ids of all lengths up to two blocks, generations 0 to 2, windows and payloads over their ranges. */
static void seal_samples(const opin_kernel *kernel, uint8_t text[SAMPLE_ROWS * SAMPLE_SYMBOLS], uint64_t opened[3 * SAMPLE_ROWS]) {
    static const opin_shape shape = {10, 4, 5, 10000, 100000, 0, NULL, "0123456789"};
    uint8_t blob[SAMPLE_ROWS * SAMPLE_ID_BYTES], digest[16], keys[SAMPLE_ROWS * 32], families[SAMPLE_ROWS];
    uint32_t master[16], generations[SAMPLE_ROWS], windows[SAMPLE_ROWS], words[SAMPLE_ROWS * 16];
    int64_t offsets[SAMPLE_ROWS + 1] = {0};
    uint64_t payloads[SAMPLE_ROWS];
    for (uint32_t i = 0; i < sizeof blob; i++) {
        blob[i] = (uint8_t)(i * 7 + i / 64);
    }
    for (uint32_t i = 0; i < 16; i++) {
        master[i] = 0x9e3779b9U * (i + 1);
        digest[i] = (uint8_t)(17 * i);
    }
    for (uint32_t i = 0; i < SAMPLE_ROWS; i++) {
        offsets[i + 1] = offsets[i] + 1 + i * 29 % SAMPLE_ID_BYTES;
        generations[i] = i % 3;
        families[i] = (uint8_t)(255 - i);
        windows[i] = i * 0x0fffffffU;
        payloads[i] = (uint64_t)i * 999999999U / (SAMPLE_ROWS - 1);
    }
    const opin_requests requests = {master, {blob, offsets}, generations, digest, windows, payloads, 255};
    const opin_states states = {words, NULL};
    const opin_tokens tokens = {keys, NULL, digest, windows, 255};
    kernel->seal_rows(&requests, SAMPLE_ROWS, &shape, SAMPLE_SYMBOLS, text);
    kernel->derive_tokens(master, &requests.ids, generations, SAMPLE_ROWS, keys);
    kernel->open_tokens(&tokens, payloads, SAMPLE_ROWS, shape.low, shape.high, opened + SAMPLE_ROWS);
    kernel->seal_tokens(&tokens, payloads, SAMPLE_ROWS, shape.low, shape.high, opened + 2 * SAMPLE_ROWS);
    kernel->midstates(keys, SAMPLE_ROWS, words);
    kernel->window_keys(&states, digest, families, windows, SAMPLE_ROWS, keys);
    kernel->midstates(keys, SAMPLE_ROWS, words);
    kernel->open(&states, payloads, SAMPLE_ROWS, shape.low, shape.high, opened);
}

int opin_kernel_sound(const opin_kernel *kernel) {
    uint8_t text[SAMPLE_ROWS * SAMPLE_SYMBOLS], expected_text[SAMPLE_ROWS * SAMPLE_SYMBOLS];
    uint64_t opened[3 * SAMPLE_ROWS], expected_opened[3 * SAMPLE_ROWS];
    seal_samples(kernel, text, opened);
    seal_samples(&opin_kernel_plain, expected_text, expected_opened);
    return memcmp(text, expected_text, sizeof text) == 0 && memcmp(opened, expected_opened, sizeof opened) == 0;
}

void opin_parse(const opin_texts *typed, size_t n, const opin_shape *shape, uint64_t *numbers, uint8_t *known) {
    const size_t prefix = shape->prefix_bytes, total = prefix + shape->u + shape->v;
    uint8_t digits[256];
    memset(digits, 0xFF, sizeof digits);
    for (uint32_t i = 0; i < shape->radix; i++) {
        digits[shape->alphabet[i]] = (uint8_t)i;
    }
    for (size_t row = 0; row < n; row++) {
        const uint8_t *const text = typed->blob + typed->offsets[row];
        const size_t length = (size_t)(typed->offsets[row + 1] - typed->offsets[row]);
        uint64_t number = 0;
        unsigned bad = length != total || (prefix > 0 && memcmp(text, shape->prefix, prefix) != 0);
        for (size_t i = prefix; bad == 0 && i < total; i++) {
            bad = digits[text[i]] == 0xFF;
            number = number * shape->radix + digits[text[i]];
        }
        known[row] = bad == 0;
        numbers[row] = bad == 0 ? number : 0;
    }
}
