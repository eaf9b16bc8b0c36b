/* Grants: payloads, times, and the family that claims a text (sections 4 to 6). */
#include "opin_lock.h"

/* The grant that a payload means in a window. False if it means none. */
OPIN_LOCAL bool opin_decode(const opin_profile *profile, uint32_t family, uint32_t window, uint64_t payload, opin_grant *grant) {
    const opin_family *const f = &profile->families[family];
    uint32_t number = (uint32_t)payload, rest;
    if (payload >= f->payloads) {
        return false;
    }
    grant->kind = f->first_kind + (uint32_t)f->kind_count - 1;
    while (number < profile->kinds[grant->kind].base) {
        grant->kind--;
    }
    const opin_kind *const kind = &profile->kinds[grant->kind];
    number -= kind->base;
    rest = opin_divide(number, kind->variants);
    grant->variant = number - rest * kind->variants;
    number = opin_divide(rest, kind->duration_count);
    grant->duration = rest - number * kind->duration_count;
    grant->start = window * f->window + number;
    return true;
}

/* Fill in what the profile says of a code's grant. */
OPIN_LOCAL void opin_look_up(const opin_profile *profile, opin_code *code) {
    const opin_kind *const kind = &profile->kinds[code->grant.kind]; /* cppcheck-suppress ctuuninitvar ; the grant is set */
    const uint32_t begins = code->grant.start * kind->slot;
    const opin_range *range = kind->ranges;
    uint32_t index = code->grant.duration;
    while (index >= range->count) {
        index -= range->count;
        range++;
    }
    const uint32_t duration = range->first + range->step * index;
    code->kind = kind;
    code->starts = begins + (uint32_t)kind->opens;
    code->is_endless = duration == 0;
    code->ends = duration == 0 ? OPIN_NEVER : begins + duration + (uint32_t)kind->closes;
    code->lapses = range->lapses;
    code->fresh_until = range->lapses ? code->starts + kind->activation : code->ends + profile->tolerance;
}

/* Whether count keys are all of the alphabet, and the number that they spell. */
OPIN_LOCAL bool opin_spells(const opin_profile *profile, const char *text, uint32_t count, uint32_t *number) {
    *number = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t digit = 0;
        while (profile->alphabet[digit] != text[i]) {
            digit++;
            if (digit == profile->radix) {
                return false;
            }
        }
        *number = *number * profile->radix + digit;
    }
    return true;
}

/* The one family that claims a text. */
OPIN_LOCAL bool opin_claims(const opin_profile *profile, const char *text, uint32_t length, opin_claim *claim) {
    for (claim->family = 0; claim->family < profile->family_count; claim->family++) {
        const opin_family *const family = &profile->families[claim->family];
        const char *const sealed = text + family->prefix_length;
        const uint32_t half = family->length / 2U;
        if (length == (uint32_t)family->prefix_length + family->length &&
            opin_equal((const uint8_t *)text, (const uint8_t *)family->prefix, family->prefix_length) &&
            opin_spells(profile, sealed, half, &claim->a) && opin_spells(profile, sealed + half, family->length - half, &claim->b)) {
            return true;
        }
    }
    return false;
}

OPIN_LOCAL bool opin_same(const opin_grant *a, const opin_grant *b) {
    return opin_equal((const uint8_t *)a, (const uint8_t *)b, sizeof *a);
}

/* Whether the lock must remember such a code at its first use. */
OPIN_LOCAL bool opin_remembers(const opin_code *code) {
    return code->kind->action <= OPIN_PASSAGE && code->kind->uses == 0 && (code->kind->linger != 0 || code->lapses);
}
