/* The state's image (section 12): where everything lies for a profile, and packed grants. */
#include "opin_lock.h"

static uint32_t loose_place(const opin_profile *profile) {
    return OPIN_AT_GROUPS + (uint32_t)OPIN_GROUP_BYTES * profile->group_count;
}

static uint32_t personal_place(const opin_profile *profile) {
    return loose_place(profile) + OPIN_LOOSE * OPIN_LOOSE_BYTES + profile->mark_bytes;
}

/* Bytes of the state, its check value included; the token follows. */
OPIN_LOCAL uint32_t opin_state_bytes(const opin_profile *profile) {
    return personal_place(profile) + OPIN_ENTRY_BYTES * (1U + profile->capacity) + 4;
}

OPIN_LOCAL uint8_t *opin_token_of(const opin_lock *lock) {
    return OPIN_IMAGE(lock) + opin_state_bytes(OPIN_PROFILE(lock));
}

/* Revocations of codes that are not remembered: OPIN_LOOSE packed grants, each plus 1; the first 0 is the end. */
OPIN_LOCAL uint8_t *opin_loose(const opin_lock *lock) {
    return OPIN_IMAGE(lock) + loose_place(OPIN_PROFILE(lock));
}

/* The marks of single-use codes follow. */
OPIN_LOCAL uint8_t *opin_marks(const opin_lock *lock) {
    return opin_loose(lock) + OPIN_LOOSE * OPIN_LOOSE_BYTES;
}

/* An entry is a tag and twice the packed grant, plus 1 if it is revoked; all zeros if there is none. */
OPIN_LOCAL uint8_t *opin_personal(const opin_lock *lock) {
    return OPIN_IMAGE(lock) + personal_place(OPIN_PROFILE(lock));
}

/* The entries of remembered codes; the first that is all zeros is the end. */
OPIN_LOCAL uint8_t *opin_entries(const opin_lock *lock) {
    return opin_personal(lock) + OPIN_ENTRY_BYTES;
}

OPIN_LOCAL uint32_t opin_time_at(const opin_lock *lock, uint32_t place) {
    return opin_get(OPIN_IMAGE(lock) + place + 1);
}

OPIN_APART OPIN_LOCAL uint32_t opin_floor(const opin_lock *lock) {
    return opin_time_at(lock, OPIN_AT_FLOOR);
}

OPIN_LOCAL uint32_t opin_failures(const opin_lock *lock) {
    return (uint32_t)OPIN_IMAGE(lock)[OPIN_AT_FAILURES] << 8 | OPIN_IMAGE(lock)[OPIN_AT_FAILURES + 1];
}

OPIN_LOCAL void opin_set_failures(const opin_lock *lock, uint32_t failures) {
    OPIN_IMAGE(lock)[OPIN_AT_FAILURES] = (uint8_t)(failures >> 8);
    OPIN_IMAGE(lock)[OPIN_AT_FAILURES + 1] = (uint8_t)failures;
}

OPIN_LOCAL void opin_set_time(const opin_lock *lock, uint32_t place, uint32_t t) {
    opin_put(OPIN_IMAGE(lock) + place + 1, t);
}

OPIN_LOCAL uint64_t opin_packed_at(const uint8_t *bytes) {
    return (uint64_t)opin_get(bytes) << 32 | opin_get(bytes + 4);
}

OPIN_LOCAL void opin_put_packed(uint8_t *bytes, uint64_t number) {
    opin_put(bytes, (uint32_t)(number >> 32));
    opin_put(bytes + 4, (uint32_t)number);
}

/* A number with a field of some bits put behind it. Bit by bit, as below: for a shift of 64 bits a small part calls a
 * routine. */
static uint64_t put_bits(uint64_t number, uint32_t bits, uint32_t field) {
    while (bits-- > 0) {
        number <<= 1;
    }
    return number | field;
}

/* A packed grant. shortened: 0, or 1 + the tolerance + the seconds from its start to the end that lingering gave it. */
OPIN_LOCAL uint64_t opin_pack(const opin_profile *profile, const opin_code *code, uint32_t shortened) {
    const opin_kind *const kind = code->kind;
    uint64_t number = put_bits(code->grant.start, kind->duration_bits, code->grant.duration);
    number = put_bits(number, kind->variant_bits, code->grant.variant);
    if (profile->has_linger) {
        number = put_bits(number, kind->end_bits, shortened);
    }
    return put_bits(number, profile->kind_bits, code->grant.kind);
}

/* Take at most 31 bits off the bottom of a number. */
static uint32_t take_bits(uint64_t *number, uint32_t bits) {
    const uint32_t upper = (uint32_t)(*number >> 32), lower = (uint32_t)*number;
    *number = (uint64_t)(upper >> bits) << 32 | lower >> bits | upper << 1 << (31 - bits);
    return lower & ((UINT32_C(1) << bits) - 1);
}

/* The inverse. Whatever the number is, the grant is one of the profile's tables. */
OPIN_LOCAL void opin_unpack(const opin_profile *profile, uint64_t number, opin_code *code) {
    uint32_t shortened = 0;
    code->grant.kind = take_bits(&number, profile->kind_bits);
    if (code->grant.kind >= profile->kind_count) {
        code->grant.kind = 0;
    }
    const opin_kind *const kind = &profile->kinds[code->grant.kind];
    if (profile->has_linger) {
        shortened = take_bits(&number, kind->end_bits);
    }
    code->grant.variant = take_bits(&number, kind->variant_bits);
    code->grant.duration = take_bits(&number, kind->duration_bits);
    if (code->grant.duration >= kind->duration_count) {
        code->grant.duration = 0;
    }
    code->grant.start = (uint32_t)number;
    opin_look_up(profile, code);
    if (shortened != 0) {
        code->ends = code->starts + shortened - 1;
    }
}

/* The code of an entry. */
OPIN_LOCAL void opin_read_entry(const opin_lock *lock, const uint8_t *entry, opin_code *code) {
    opin_unpack(OPIN_PROFILE(lock), opin_packed_at(entry + OPIN_TAG_BYTES) >> 1, code);
}

/* The state's check value, as it should be in its last four bytes. */
OPIN_LOCAL uint32_t opin_image_check(const opin_lock *lock) {
    const uint32_t count = opin_state_bytes(OPIN_PROFILE(lock)) - 4;
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        crc = opin_crc(crc, OPIN_IMAGE(lock)[i]);
    }
    return ~crc;
}
