/* offlinepin: a lock's side of code format 1 (docs/format.md), for a small processor.
 *
 * A product has one table, made by `offlinepin firmware tables PROFILE.json > profile.c`, and one port: the few functions below
 * that read and write its flash, tell the time and drive its bolt. Power the lock up with opin_power_up, give it every key with
 * opin_press, and it does the rest. Nothing here allocates, recurses, or keeps a variable of its own: all of a lock is in its
 * opin_lock and the memory that the table sets aside for it. One lock is worked by one thread.
 *
 * Times are whole seconds in 32 bits. The clock counts from 1970-01-01T00:00:00, in UTC or as a wall clock, as the profile says; a
 * clock that shows a time after February 2106 counts as lost. */
#ifndef OFFLINEPIN_H
#define OFFLINEPIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OPIN_TOKEN_BYTES = 32,
    OPIN_TAG_BYTES = 8,
    OPIN_MOST_KEYS = 64, /* in one entry */
    OPIN_WORD = 4,       /* bytes that the flash programs at once */
};

#define OPIN_NO_TIME INT64_C(-1) /* what a clock shows that is lost */

/* Why a lock opened or did not (section 9). Of several readings the first in this order counts. */
typedef enum {
    OPIN_OPENED,
    OPIN_THROTTLED,
    OPIN_MALFORMED,
    OPIN_CLOCK_LOST,
    OPIN_REVOKED,
    OPIN_SUPERSEDED,
    OPIN_USED,
    OPIN_TOO_EARLY,
    OPIN_LAPSED,
    OPIN_EXPIRED,
    OPIN_OUTSIDE_HOURS,
    OPIN_FULL,
    OPIN_UNKNOWN,
} opin_reason;

/* What a code does when it is accepted (sections 4 and 10). */
typedef enum {
    OPIN_UNLOCK,
    OPIN_PASSAGE,
    OPIN_CLEAR,
    OPIN_ROTATE,
    OPIN_SET_CLOCK,
    OPIN_REVOKE,
} opin_action;

/* Whether a lock works. After anything but OPIN_WORKS it does nothing until it is powered up again. */
typedef enum {
    OPIN_WORKS,
    OPIN_FLASH_FAILED, /* a write or an erase reported failure, a state does not read back (the part is worn out), or the part is too small */
    OPIN_STATE_LOST,   /* what the flash holds is beyond use: provision the lock again, with a new token */
} opin_status;

/* ---- The product's table: constant data, made from a profile document. Nobody writes one by hand. ---- */

typedef struct {
    uint32_t first, step, count; /* durations in seconds; 0 has no end */
    bool lapses;                 /* whether they are longer than the activation rule */
} opin_range;

typedef struct {
    uint8_t family, action, uses, weekdays;
    uint8_t group;                                 /* 1 + the index of what it supersedes; 0: nothing */
    uint8_t duration_bits, variant_bits, end_bits; /* in a packed grant (section 12) */
    uint16_t first_mark;                           /* the bit at which its marks begin */
    uint16_t about;                                /* the kind that a revoke kind is about */
    uint32_t base;                                 /* its first payload */
    const opin_range *ranges;                      /* its durations, in payload order */
    uint32_t duration_count, variants;
    uint32_t slot; /* seconds, as all below; its family's */
    uint32_t activation, linger;
    int32_t opens, closes;
    uint32_t hours_from, hours_to;
    uint32_t ring; /* slots in the ring of its marks; 0: only the group's newest code has marks */
} opin_kind;

typedef struct {
    const char *prefix;
    uint8_t prefix_length, length;
    bool sets_clock, has_personal, has_passage; /* the last two: what may be typed after one of its codes */
    uint16_t first_kind, kind_count;
    uint32_t payloads;        /* P of section 6 */
    uint32_t low, high;       /* r^u and r^v of section 7 */
    uint32_t slot, window;    /* seconds, slots */
    int32_t earliest, latest; /* at t its fresh codes start in the slots that begin in (t - earliest, t + latest] */
} opin_family;

typedef struct {
    uint8_t digest[16];
    const char *alphabet;
    const opin_family *families;
    const opin_kind *kinds;
    uint32_t tolerance;                        /* seconds */
    uint32_t free, delay, growth, cap, leak;   /* the lockout */
    uint16_t key_timeout;                      /* seconds */
    uint16_t capacity, mark_bytes, family_count, kind_count;
    uint8_t radix, group_count, kind_bits;
    uint8_t most_keys;
    char enter, clear;                         /* the keys that end and discard an entry */
    bool masking;
    /* What any of its kinds and families has: a compiler that sees the table (OPIN_WHOLE) leaves the rest of the lock out. */
    uint8_t actions;                           /* a bit for each */
    bool has_marks, has_memory, has_linger, has_hours, has_personal, has_passage;
} opin_profile;

/* Bytes of a lock's memory: the state (section 12), the token, and the keys of an entry. */
#define OPIN_MEMORY_BYTES(group_count, mark_bytes, capacity, most_keys) \
    (18U + 8U * (group_count) + 64U + (mark_bytes) + 16U + 16U * (capacity) + 4U + 32U + (most_keys))

/* What a table made by `offlinepin firmware tables` defines. */
extern const opin_profile opin_product;
extern uint8_t opin_product_memory[];

/* ---- The port: what the product gives. ---- */

typedef struct {
    void *context;                   /* handed to each function */
    uint32_t page_bytes, page_count; /* of the flash that the lock has for itself: at least two pages; whole words */
    /* Copy count bytes from offset at of that flash. */
    void (*read)(void *context, uint32_t at, uint8_t *bytes, uint32_t count);
    /* Write one aligned word; only bits that are 1 are ever made 0. False if it failed. */
    bool (*program)(void *context, uint32_t at, const uint8_t word[OPIN_WORD]);
    /* Make every bit of a page 1. False if it failed. */
    bool (*erase)(void *context, uint32_t page);
    /* What the clock shows, or OPIN_NO_TIME. */
    int64_t (*now)(void *context);
    /* Set the clock; a clock code was accepted. */
    void (*set_clock)(void *context, int64_t seconds);
    /* Seconds since power-up: a counter that nobody can set. */
    uint32_t (*uptime)(void *context);
    /* Drive the bolt. With OPIN_PASSAGE, opin_is_passage tells whether the door is now to stay open. */
    void (*drive_bolt)(void *context, opin_action action);
} opin_port;

/* ---- The lock. ---- */

/* What a code permits. */
typedef struct {
    uint32_t start;    /* slot */
    uint32_t duration; /* index */
    uint32_t variant;
    uint32_t kind;     /* through all families */
} opin_grant;

/* What the lock decided on one entry. */
typedef struct {
    opin_reason reason; /* OPIN_OPENED for an accepted service code, too */
    opin_action action; /* when it was accepted */
    opin_grant grant;   /* what the text reads as, when has_grant */
    uint32_t wait;      /* seconds until the lock takes entries again, when throttled */
    bool has_grant;
} opin_decision;

/* One half of the flash, as journal.c found it. */
typedef struct {
    uint32_t start, sequence;
    uint32_t end;   /* where the next change goes */
    uint32_t flags;
} opin_bank;

/* All that a lock keeps beside its memory. Treat it as closed; opin_power_up sets it. Its memory holds the token: secret. */
typedef struct {
    const opin_profile *profile;
    const opin_port *port;
    uint8_t *image; /* the state, the token, the keys typed */
    opin_status status;
    uint8_t key_count;
    bool follows;
    uint8_t refused[OPIN_TAG_BYTES]; /* the tag of the text refused last, by the token of then; zeros after power-up: no text has that */
    uint32_t charged_at, pressed_at, follow_until; /* uptimes */
    uint32_t bank_bytes;                           /* half of the flash */
    opin_bank bank;                                /* the half in use */
    opin_grant followed;
} opin_lock;

/* The power has come: read the state from flash, or begin with a new lock's if the flash is blank; finish what a cut left undone.
 * memory: OPIN_MEMORY_BYTES of the profile; a whole lock (OPIN_WHOLE) works in opin_product_memory, and that must be it.
 * token, generation: as provisioned; they count only while the flash is blank. */
opin_status opin_power_up(opin_lock *lock, const opin_profile *profile, const opin_port *port, uint8_t *memory,
                          const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation);

/* A key was pressed. True if it ended an entry; then *decision says what came of it, and the bolt has moved if it was to.
 * Never true when the lock does not work (lock->status). */
bool opin_press(opin_lock *lock, char key, opin_decision *decision);

/* One whole entry of at most OPIN_MOST_KEYS keys, without the enter key: for a product with a keypad logic of its own.
 * The result as of opin_press. */
bool opin_enter(opin_lock *lock, const char *text, uint32_t length, opin_decision *decision);

/* Whether a passage code holds the door open. */
bool opin_is_passage(const opin_lock *lock);

/* The token's generation. */
uint32_t opin_generation(const opin_lock *lock);

/* The check value (section 3), to be shown in 8 hexadecimal digits. It betrays nothing of the token. */
uint32_t opin_check_value(const opin_lock *lock);

#endif
