/* Grants: payloads, times, and the family that claims a text (sections 4 to 6). */
#include "opin_lock.h"

/* The grant that a payload means in a window. False if it means none. */
OPIN_LOCAL bool opin_decode(const opin_profile *profile, const opin_family *family, uint32_t window, uint64_t payload, opin_grant *grant) {
    uint32_t number = (uint32_t)payload;
    if (payload >= family->payloads) {
        return false;
    }
    grant->kind = family->first_kind + (uint32_t)family->kind_count - 1;
    while (number < profile->kinds[grant->kind].base) {
        grant->kind--;
    }
    const opin_kind *const kind = &profile->kinds[grant->kind];
    const uint64_t by_variants = opin_long_division(number - kind->base, kind->variants);
    const uint64_t by_durations = opin_long_division((uint32_t)by_variants, kind->duration_count);
    grant->variant = (uint32_t)(by_variants >> 32);
    grant->duration = (uint32_t)(by_durations >> 32);
    grant->start = window * family->window + (uint32_t)by_durations;
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
    code->duration = duration;
    code->ends = duration == 0 ? OPIN_NEVER : begins + duration + (uint32_t)kind->closes + profile->tolerance;
    code->lapses = range->lapses;
    code->fresh_until = range->lapses ? code->starts + kind->activation : code->ends;
}

/* Whether count keys are all of the alphabet, and the number that they spell. */
OPIN_LOCAL bool opin_spells(const opin_profile *profile, const char *text, uint32_t count, uint32_t *number) {
    uint32_t spelled = 0;
    while (count-- > 0) {
        uint32_t digit = 0;
        while (profile->alphabet[digit] != *text) {
            digit++;
            if (digit == profile->radix) {
                return false;
            }
        }
        spelled = spelled * profile->radix + digit;
        text++;
    }
    *number = spelled;
    return true;
}

/* The one family that claims a text. */
OPIN_LOCAL bool opin_claims(const opin_profile *profile, const char *text, uint32_t length, opin_claim *claim) {
    for (const opin_family *family = profile->families; family < profile->families + profile->family_count; family++) {
        const char *const sealed = text + family->prefix_length;
        const uint32_t half = family->length / 2U;
        if (length == (uint32_t)family->prefix_length + family->length &&
            opin_equal((const uint8_t *)text, (const uint8_t *)family->prefix, family->prefix_length) &&
            opin_spells(profile, sealed, half, &claim->a) && opin_spells(profile, sealed + half, family->length - half, &claim->b)) {
            claim->family = family;
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
