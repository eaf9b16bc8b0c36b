/* Grants: payloads, times, and the family that claims a text (sections 4 to 6). */
#include "opin_lock.h"

/* The duration with an index, in slots; 0 has no end. */
uint32_t opin_duration(const opin_kind *kind, uint32_t index) {
    const opin_range *range = kind->ranges;
    while (index >= range->count) {
        index -= range->count;
        range++;
    }
    return range->first + range->step * index;
}

/* The grant that a payload means in a window. False if it means none. */
bool opin_decode(const opin_profile *profile, uint32_t family, uint32_t window, uint64_t payload, opin_grant *grant) {
    const opin_family *const f = &profile->families[family];
    uint32_t place = f->first_kind + (uint32_t)f->kind_count - 1;
    if (payload >= f->payloads) {
        return false;
    }
    while (payload < profile->kinds[place].base) {
        place--;
    }
    const opin_kind *const kind = &profile->kinds[place];
    payload = opin_divide(payload - kind->base, kind->variants, &grant->variant);
    payload = opin_divide(payload, kind->duration_count, &grant->duration);
    grant->start = window * f->window + (uint32_t)payload;
    grant->kind = (uint16_t)place;
    return true;
}

void opin_life_of(const opin_profile *profile, const opin_grant *grant, opin_life *life) {
    const opin_kind *const kind = &profile->kinds[grant->kind];
    const uint32_t slot = profile->families[kind->family].slot;
    const uint32_t duration = opin_duration(kind, grant->duration);
    const int64_t start = (int64_t)((uint64_t)grant->start * slot);
    life->starts = start + kind->opens;
    life->ends = duration != 0 ? start + (int64_t)((uint64_t)duration * slot) + kind->closes : OPIN_NO_TIME;
    life->lapses = kind->activation != 0 && (duration == 0 || duration > kind->activation);
    life->fresh_until = life->lapses ? life->starts + (int64_t)((uint64_t)kind->activation * slot) : life->ends + profile->tolerance;
}

/* The digit of a key, or the radix if it has none. */
uint32_t opin_digit(const opin_profile *profile, char key) {
    uint32_t value = 0;
    while (value < profile->radix && profile->alphabet[value] != key) {
        value++;
    }
    return value;
}

/* The number that count symbols spell. False if one is not of the alphabet. */
static bool spell(const opin_profile *profile, const char *text, uint32_t count, uint32_t *number) {
    *number = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t value = opin_digit(profile, text[i]);
        if (value == profile->radix) {
            return false;
        }
        *number = *number * profile->radix + value;
    }
    return true;
}

/* The one family that claims a text. */
bool opin_claims(const opin_profile *profile, const char *text, uint32_t length, opin_claim *claim) {
    for (uint32_t i = 0; i < profile->family_count; i++) {
        const opin_family *const family = &profile->families[i];
        const char *const sealed = text + family->prefix_length;
        const uint32_t half = family->length / 2U;
        if (length == (uint32_t)family->prefix_length + family->length && memcmp(text, family->prefix, family->prefix_length) == 0 &&
            spell(profile, sealed, half, &claim->a) && spell(profile, sealed + half, family->length - half, &claim->b)) {
            claim->family = i;
            return true;
        }
    }
    return false;
}

bool opin_same(const opin_grant *a, const opin_grant *b) {
    return a->kind == b->kind && a->start == b->start && a->duration == b->duration && a->variant == b->variant;
}

/* Whether a code must be typed in its time: not a revocation, and not a clock code. */
bool opin_is_time_bound(const opin_kind *kind) {
    return kind->action < OPIN_SET_CLOCK;
}

/* Whether the lock must remember such a code at its first use. */
bool opin_remembers(const opin_kind *kind, const opin_life *life) {
    return kind->action <= OPIN_PASSAGE && kind->uses == 0 && (kind->linger != 0 || life->lapses);
}
