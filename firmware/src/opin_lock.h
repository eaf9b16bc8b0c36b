/* What the parts of the lock share, and nobody else uses. Tables are trusted; flash and typed text are not. */
#ifndef OPIN_LOCK_H
#define OPIN_LOCK_H

#include "offlinepin.h"

#include <stddef.h>
#include <string.h>

/* Places in the state's image (section 12). Fields are big-endian. A time takes five bytes, of which the lock uses the lower four. */
enum {
    OPIN_VERSION = 1,
    OPIN_AT_PASSAGE = 1,
    OPIN_AT_FAILURES = 2,
    OPIN_AT_GENERATION = 4,
    OPIN_AT_CLEARED = 8,
    OPIN_AT_FLOOR = 13,
    OPIN_AT_GROUPS = 18,
    OPIN_TIME_BYTES = 5,
    OPIN_GROUP_BYTES = 8,
    OPIN_LOOSE = 8, /* revocations of codes that are not remembered */
    OPIN_LOOSE_BYTES = 8,
    OPIN_ENTRY_BYTES = 16,
    OPIN_PERSONAL_LENGTH = 6,
};

#define OPIN_NEVER UINT32_MAX /* the end of a code that has none; what a clock shows that is lost */

/* C99 has no static assertion of its own. */
#define OPIN_ASSERT(what, condition) typedef char opin_assert_##what[(condition) ? 1 : -1]

OPIN_ASSERT(floor_follows_cleared, (int)OPIN_AT_FLOOR == OPIN_AT_CLEARED + OPIN_TIME_BYTES);
OPIN_ASSERT(groups_follow_floor, (int)OPIN_AT_GROUPS == OPIN_AT_FLOOR + OPIN_TIME_BYTES);
OPIN_ASSERT(a_group_is_a_start_and_a_variant, (int)OPIN_GROUP_BYTES == OPIN_TIME_BYTES + 3);
OPIN_ASSERT(an_entry_is_a_tag_and_a_packed_grant, (int)OPIN_ENTRY_BYTES == OPIN_TAG_BYTES + 8);
OPIN_ASSERT(state_of_the_page, OPIN_MEMORY_BYTES(1U, 52U, 32U, 16U) == 18 + 8 + 64 + 52 + 16 + 512 + 4 + 32 + 16);
OPIN_ASSERT(closed_lists_of_the_page, (int)OPIN_UNKNOWN == 12 && (int)OPIN_REVOKE == 5);

/* A function that stays a call: what it keeps on the stack is gone again when the hashes run, which need the most. */
#if defined(__GNUC__)
#define OPIN_APART __attribute__((noinline))
#define OPIN_MAYBE __attribute__((unused))
#else
#define OPIN_APART
#define OPIN_MAYBE
#endif

/* With OPIN_WHOLE the lock and its product's table are one source (opin_whole.h): nothing inside is seen from outside, and the compiler
 * knows the table and where the memory is. */
#if defined(OPIN_WHOLE)
#define OPIN_LOCAL static OPIN_MAYBE
#define OPIN_PROFILE(lock) ((void)(lock), &opin_product)
#define OPIN_IMAGE(lock) ((void)(lock), opin_product_memory)
#else
#define OPIN_LOCAL
#define OPIN_PROFILE(lock) ((lock)->profile)
#define OPIN_IMAGE(lock) ((lock)->image)
#endif

/* A grant, and what the profile says of it. Times in seconds. */
typedef struct {
    const opin_kind *kind;
    uint32_t starts;
    uint32_t ends;        /* from here on it has expired, the tolerance is in it; OPIN_NEVER: it has no end */
    uint32_t fresh_until; /* from here on refused if it is not remembered */
    bool lapses;          /* fresh_until is the time by which it must first be used */
    uint32_t duration;    /* 0: it has no end, but for the one that lingering may have given it */
    opin_grant grant;
} opin_code;

/* A typed text as a code: its family and the halves of its number. */
typedef struct {
    const opin_family *family;
    uint32_t a, b;
} opin_claim;

/* number.c: arithmetic and bytes */
OPIN_LOCAL uint64_t opin_long_division(uint32_t number, uint32_t divisor);
OPIN_LOCAL uint32_t opin_get(const uint8_t *bytes);
OPIN_LOCAL void opin_put(uint8_t *bytes, uint32_t number);
OPIN_LOCAL uint32_t opin_crc(uint32_t crc, uint8_t byte);
OPIN_LOCAL bool opin_equal(const uint8_t *a, const uint8_t *b, uint32_t count);

/* token.c: everything that needs the token */
OPIN_LOCAL void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length);
OPIN_LOCAL void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next);
OPIN_LOCAL uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation);
OPIN_LOCAL uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim,
                              uint32_t window);

/* payload.c: grants and their times */
OPIN_LOCAL bool opin_decode(const opin_profile *profile, const opin_family *family, uint32_t window, uint64_t payload, opin_grant *grant);
OPIN_LOCAL void opin_look_up(const opin_profile *profile, opin_code *code);
OPIN_LOCAL bool opin_spells(const opin_profile *profile, const char *text, uint32_t count, uint32_t *number);
OPIN_LOCAL bool opin_claims(const opin_profile *profile, const char *text, uint32_t length, opin_claim *claim);
OPIN_LOCAL bool opin_same(const opin_grant *a, const opin_grant *b);
OPIN_LOCAL bool opin_remembers(const opin_code *code);

/* The quotient and the rest of a division. */
static inline uint32_t opin_divide(uint32_t number, uint32_t divisor) {
    return (uint32_t)opin_long_division(number, divisor);
}

static inline uint32_t opin_rest(uint32_t number, uint32_t divisor) {
    return (uint32_t)(opin_long_division(number, divisor) >> 32);
}

/* Whether the product has an action at all; whether a kind is of it. */
static inline bool opin_has(const opin_profile *profile, opin_action action) {
    return (profile->actions >> action & 1) != 0;
}

static inline bool opin_does(const opin_profile *profile, const opin_kind *kind, opin_action action) {
    return opin_has(profile, action) && kind->action == action;
}

/* image.c: where the state lies, and packed grants */
OPIN_LOCAL uint32_t opin_state_bytes(const opin_profile *profile);
OPIN_LOCAL uint8_t *opin_token_of(const opin_lock *lock);
OPIN_LOCAL uint8_t *opin_loose(const opin_lock *lock);
OPIN_LOCAL uint8_t *opin_marks(const opin_lock *lock);
OPIN_LOCAL uint8_t *opin_personal(const opin_lock *lock);
OPIN_LOCAL uint8_t *opin_entries(const opin_lock *lock);
OPIN_LOCAL uint32_t opin_time_at(const opin_lock *lock, uint32_t place);
OPIN_LOCAL uint32_t opin_failures(const opin_lock *lock);
OPIN_LOCAL void opin_set_failures(const opin_lock *lock, uint32_t failures);
OPIN_LOCAL uint32_t opin_floor(const opin_lock *lock);
OPIN_LOCAL void opin_set_time(const opin_lock *lock, uint32_t place, uint32_t t);
OPIN_LOCAL uint64_t opin_pack(const opin_profile *profile, const opin_code *code, uint32_t shortened);
OPIN_LOCAL void opin_unpack(const opin_profile *profile, uint64_t number, opin_code *code);
OPIN_LOCAL uint64_t opin_packed_at(const uint8_t *bytes);
OPIN_LOCAL void opin_put_packed(uint8_t *bytes, uint64_t number);
OPIN_LOCAL void opin_read_entry(const opin_lock *lock, const uint8_t *entry, opin_code *code);
OPIN_LOCAL uint32_t opin_image_check(const opin_lock *lock);

/* memory.c: what the state says of a code, and what it may forget */
OPIN_LOCAL bool opin_is_cleared(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL bool opin_is_superseded(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL bool opin_is_marked(const opin_lock *lock, const opin_code *code, uint32_t t);
OPIN_LOCAL bool opin_is_revoked(const opin_lock *lock, const opin_code *code, uint32_t t);
OPIN_LOCAL bool opin_can_revoke(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL void opin_revoke(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL void opin_mark(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL void opin_supersede(const opin_lock *lock, const opin_code *code);
OPIN_LOCAL bool opin_is_record(const uint8_t *bytes, uint32_t size);
OPIN_LOCAL uint8_t *opin_next_entry(const opin_lock *lock, uint8_t *entry, opin_code *code);
OPIN_LOCAL uint8_t *opin_held(const opin_lock *lock, const opin_grant *grant, opin_code *held);
OPIN_LOCAL uint32_t opin_live_entries(const opin_lock *lock, uint32_t t, const opin_code *newer);
OPIN_LOCAL void opin_move_floor(const opin_lock *lock, uint32_t t);

/* decide.c */
OPIN_LOCAL bool opin_admit(opin_lock *lock, uint32_t now, uint32_t uptime, const char *text, uint32_t length, opin_decision *refusal);
OPIN_LOCAL void opin_judge(opin_lock *lock, uint32_t now, const char *text, uint32_t length, opin_decision *decision);
OPIN_LOCAL void opin_clear(const opin_lock *lock, uint32_t t);
OPIN_LOCAL bool opin_choose_personal(const opin_lock *lock, const opin_grant *grant, const char *text, uint32_t length);

/* journal.c */
typedef enum { OPIN_EMPTY, OPIN_SOUND, OPIN_DAMAGED } opin_condition;
OPIN_LOCAL opin_condition opin_journal_open(opin_lock *lock);
OPIN_LOCAL void opin_commit(opin_lock *lock);

#endif
