/* Fuzz target: the tables of products, and what is computed from them. An input is the product, the family, the window, a payload, a token
 * and digits of a code, all as they come. */
#include "fuzz.h"

enum { AT_WINDOW = 2, AT_PAYLOAD = 6, AT_END = 14, AT_TOKEN = 18, AT_DIGITS = AT_TOKEN + OPIN_TOKEN_BYTES };

#define LATEST INT64_C(2147483648) /* 2038: codes that start before it end in 32 bits of seconds, however long they are */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A payload is what its grant says (section 6), and a grant comes back from a state's bits as it went in (section 12). */
static void check_payload(const opin_profile *profile, uint32_t family, uint32_t window, uint64_t payload, uint32_t shortened) {
    const opin_family *const f = &profile->families[family];
    opin_code code, held;
    const opin_grant *const grant = &code.grant;
    const bool is_one = opin_decode(profile, f, window, payload, &code.grant);
    MUST(is_one == (payload < f->payloads));
    if (!is_one) {
        return;
    }
    const opin_kind *const kind = &profile->kinds[grant->kind];
    MUST(kind->family == family && grant->duration < kind->duration_count && grant->variant < kind->variants);
    MUST(grant->start / f->window == window);
    const uint64_t offset = (uint64_t)(grant->start % f->window) * kind->duration_count + grant->duration;
    MUST(kind->base + offset * kind->variants + grant->variant == payload);
    if ((int64_t)grant->start * f->slot + kind->opens < 0 || (int64_t)((uint64_t)(grant->start + f->window) * f->slot) >= LATEST) {
        return;
    }
    opin_look_up(profile, &code);
    const uint64_t packed = opin_pack(profile, &code, 0);
    MUST(packed >> 63 == 0);
    opin_unpack(profile, packed, &held);
    MUST(held.ends == code.ends && held.fresh_until == code.fresh_until && opin_same(grant, &held.grant));
    MUST(code.duration == 0 || (code.ends > code.starts && code.fresh_until > code.starts));
    if (kind->linger != 0) { /* the shorter end that a remembered code may have */
        const uint32_t seconds = shortened % (kind->linger + 1U);
        opin_unpack(profile, opin_pack(profile, &code, seconds + 1), &held);
        MUST(held.ends == code.starts + seconds && opin_same(grant, &held.grant));
    }
}

/* A code of a family is claimed by that family alone, and reads as a number of its range. */
static void check_code(const opin_profile *profile, uint32_t family, uint32_t window, const uint8_t *token, const uint8_t *digits, size_t size) {
    const opin_family *const f = &profile->families[family];
    char code[OPIN_MOST_KEYS];
    opin_claim claim;
    const uint32_t length = (uint32_t)f->prefix_length + f->length;
    if (length > sizeof code || size == 0) {
        return;
    }
    memcpy(code, f->prefix, f->prefix_length);
    for (uint32_t i = 0; i < f->length; i++) {
        code[f->prefix_length + i] = profile->alphabet[digits[i % size] % profile->radix];
    }
    MUST(opin_claims(profile, code, length, &claim) && claim.family == f);
    MUST(claim.a < f->low && claim.b < f->high);
    const uint64_t payload = opin_open(profile, token, &claim, window);
    MUST(payload < (uint64_t)f->low * f->high);
    check_payload(profile, family, window, payload, digits[0]);
    code[length - 1] = profile->enter;
    MUST(!opin_claims(profile, code, length, &claim));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size <= AT_DIGITS) {
        return -1;
    }
    const opin_profile *const profile = fuzz_product(data[0]);
    const uint32_t family = data[1] % (uint32_t)profile->family_count;
    const opin_family *const f = &profile->families[family];
    const uint32_t most = (uint32_t)(LATEST / f->slot) / f->window;
    const uint32_t window = opin_get(data + AT_WINDOW) % most;
    const uint64_t payload = opin_packed_at(data + AT_PAYLOAD);
    check_payload(profile, family, window, payload, opin_get(data + AT_END));
    check_payload(profile, family, window, payload % ((uint64_t)f->payloads + 1), opin_get(data + AT_END));
    check_code(profile, family, window, data + AT_TOKEN, data + AT_DIGITS, size - AT_DIGITS);
    return 0;
}
