/* The journal that keeps the state and the token in flash (section 13): two banks, of which one holds a snapshot and the changes since.
 * A commit is whole or it is not there, wherever the power goes; what age has changed is noticed. */
#include "opin_lock.h"

enum {
    HEAD = 3 * OPIN_WORD,     /* magic, sequence, and the image's size */
    CHUNK = 64,               /* bytes of the committed image that are looked at in one go */
    ROOM = CHUNK,             /* bytes that must be left for changes, and for what a chunk has beyond the image */
    GAP = 4,                  /* so many equal bytes end a stretch of changed ones: a stretch's own head takes as many */
    CHANGE = 2 * OPIN_WORD,   /* bytes behind a change's length: its check value, and a word that says that this was written in full */
};

#define MAGIC 0x6f506a01U

/* What a scan of a bank may find. */
enum {
    WHOLE = 1,      /* it has a snapshot */
    CLOSED = 2,     /* nothing more can be written there */
    RETIRED = 4,    /* a newer snapshot took over */
    UNFINISHED = 8, /* its snapshot may never have been completed */
    UNDONE = 16,    /* the latest change's last word is missing */
    DAMAGED = 32,
};

static uint32_t image_bytes(const opin_lock *lock) {
    return opin_state_bytes(OPIN_PROFILE(lock)) + OPIN_TOKEN_BYTES;
}

/* Bytes of a snapshot before its check value. */
static uint32_t snapshot_bytes(const opin_lock *lock) {
    return (HEAD + image_bytes(lock) + OPIN_WORD - 1) & ~(uint32_t)(OPIN_WORD - 1);
}

/* ---- Reading: words, at places that count from the beginning of the flash ---- */

static void fetch(const opin_lock *lock, uint32_t at, uint8_t *bytes, uint32_t count) {
    lock->port->read(lock->port->context, at, bytes, count);
}

static uint32_t peek(const opin_lock *lock, uint32_t at) {
    uint8_t word[OPIN_WORD];
    fetch(lock, at, word, OPIN_WORD);
    return opin_get(word);
}

static uint32_t crc_word(uint32_t crc, uint32_t word) {
    for (uint32_t i = 0; i < OPIN_WORD; i++) {
        crc = opin_crc(crc, (uint8_t)(word >> 24));
        word <<= 8;
    }
    return crc;
}

/* The CRC of what lies between two places. */
static uint32_t crc_flash(const opin_lock *lock, uint32_t at, uint32_t end) {
    uint32_t crc = UINT32_MAX;
    for (; at < end; at += OPIN_WORD) {
        crc = crc_word(crc, peek(lock, at));
    }
    return crc;
}

/* A change's check value, from the CRC of its bytes: sequence and place are in it, so that no old change can stand in for a new one. */
static uint32_t change_check(uint32_t crc, uint32_t sequence, uint32_t at) {
    return ~crc_word(crc_word(crc, sequence), at);
}

/* Scan the changes of a bank, from its end so far up to the first that is not whole. What is written ends at `last`. */
static void scan_changes(opin_lock *lock, uint32_t last) {
    opin_bank *const bank = &lock->bank;
    while (bank->end < last) {
        const uint32_t at = bank->end, head = peek(lock, at), length = head >> 16;
        uint32_t check_at = at + length; /* or at, if that is no length */
        if ((uint16_t)(head ^ length) != UINT16_MAX || length % OPIN_WORD != 0 || check_at + CHANGE > bank->start + lock->bank_bytes) {
            check_at = at;
        }
        if (check_at == at || peek(lock, check_at) != change_check(crc_flash(lock, at, check_at), bank->sequence, at - bank->start)) {
            bank->flags |= CLOSED;
            if (last > check_at + OPIN_WORD) {
                bank->flags |= DAMAGED; /* a power cut explains it only if nothing is written behind the word that was being written */
            }
            return;
        }
        bank->end = check_at + CHANGE;
        if (last <= bank->end && peek(lock, bank->end - OPIN_WORD) != 0) {
            bank->flags |= UNDONE;
        }
    }
}

/* Find what the bank that begins at lock->bank.start holds. Sequence and end stay as they are if it has no snapshot. */
static void scan(opin_lock *lock) {
    opin_bank *const bank = &lock->bank;
    const uint32_t start = bank->start, check_at = start + snapshot_bytes(lock), magic = peek(lock, start);
    uint32_t last = start + lock->bank_bytes;
    while (last > start && peek(lock, last - OPIN_WORD) == UINT32_MAX) {
        last -= OPIN_WORD;
    }
    if (magic == MAGIC && peek(lock, check_at) == ~crc_flash(lock, start, check_at)) {
        bank->flags = WHOLE;
        bank->sequence = peek(lock, start + OPIN_WORD);
        bank->end = check_at + OPIN_WORD;
        scan_changes(lock, last);
    } else if (magic == 0) {
        bank->flags = CLOSED | RETIRED;
    } else {
        bank->flags = last <= check_at + OPIN_WORD ? CLOSED | UNFINISHED : CLOSED;
    }
}

/* Read count bytes of the image that the bank in use holds, as its changes left it. Beyond the image they may be anything. */
static void read_image(const opin_lock *lock, uint32_t from, uint8_t *bytes, uint32_t count) {
    uint32_t at = lock->bank.start + snapshot_bytes(lock) + OPIN_WORD;
    fetch(lock, lock->bank.start + HEAD + from, bytes, count);
    while (at < lock->bank.end) {
        const uint32_t end = at + (peek(lock, at) >> 16);
        at += OPIN_WORD;
        while (at + 4 <= end) {
            const uint32_t head = peek(lock, at), offset = head >> 16, length = head & 0xFFFFU;
            const uint32_t first = offset > from ? offset : from;
            const uint32_t last = offset + length < from + count ? offset + length : from + count;
            at += 4;
            if (length == 0 || at + length > end) {
                break;
            }
            if (first < last) {
                fetch(lock, at + (first - offset), bytes + (first - from), last - first);
            }
            at += length;
        }
        at = end + CHANGE;
    }
}

/* ---- Writing ---- */

/* Bytes on their way into flash, word by word; or nowhere, to count them. */
typedef struct {
    opin_lock *lock;
    uint32_t at, crc;
    bool counts;
    uint8_t word[OPIN_WORD];
} opin_writer;

static void begin(opin_writer *writer, opin_lock *lock, uint32_t at, bool counts) {
    writer->lock = lock;
    writer->at = at;
    writer->crc = UINT32_MAX;
    writer->counts = counts;
}

static void program(opin_lock *lock, uint32_t at, const uint8_t word[OPIN_WORD]) {
    if (lock->status == OPIN_WORKS && !lock->port->program(lock->port->context, at, word)) {
        lock->status = OPIN_FLASH_FAILED;
    }
}

static void put_byte(opin_writer *writer, uint32_t byte) {
    writer->word[writer->at % OPIN_WORD] = (uint8_t)byte;
    writer->crc = opin_crc(writer->crc, (uint8_t)byte);
    writer->at++;
    if (writer->at % OPIN_WORD == 0 && !writer->counts) {
        program(writer->lock, writer->at - OPIN_WORD, writer->word);
    }
}

static void put_word(opin_writer *writer, uint32_t word) {
    for (uint32_t i = 0; i < OPIN_WORD; i++) {
        put_byte(writer, word >> 24);
        word <<= 8;
    }
}

/* The bytes of the image between two places. */
static void put_image(opin_writer *writer, uint32_t start, uint32_t end) {
    while (start < end) {
        put_byte(writer, OPIN_IMAGE(writer->lock)[start++]);
    }
}

/* Zeros up to a whole word. */
static void pad(opin_writer *writer) {
    while (writer->at % OPIN_WORD != 0) {
        put_byte(writer, 0);
    }
}

/* Clear one word. The first of a bank: its snapshot can never be taken for the newest when that one ages. */
static void clear_word(opin_lock *lock, uint32_t at) {
    const uint8_t zeros[OPIN_WORD] = {0};
    program(lock, at, zeros);
}

/* Put the change from what is committed to the image behind the others: its length, every stretch that differs as its place, length and
 * bytes, zeros up to a whole word, and its check value. With a length of 0 nothing is written, and the length is found out: OPIN_WORD if
 * nothing differs. */
static uint32_t put_change(opin_lock *lock, uint32_t length) {
    const uint32_t size = image_bytes(lock), begins = lock->bank.end;
    uint32_t start = 0, end = 0; /* of the stretch at hand; start < end if there is one */
    uint8_t kept[CHUNK];
    opin_writer writer;
    begin(&writer, lock, begins, length == 0);
    put_word(&writer, length << 16 | (length ^ 0xFFFFU));
    for (uint32_t at = 0; at < size || start < end; at++) {
        if (start < end && (at == size || at - end == GAP)) {
            put_word(&writer, start << 16 | (end - start));
            put_image(&writer, start, end);
            start = end;
        }
        if (at < size) {
            if (at % CHUNK == 0) {
                read_image(lock, at, kept, CHUNK);
            }
            if (kept[at % CHUNK] != OPIN_IMAGE(lock)[at]) {
                start = start < end ? start : at;
                end = at + 1;
            }
        }
    }
    pad(&writer);
    length = writer.at - begins;
    put_word(&writer, change_check(writer.crc, lock->bank.sequence, begins - lock->bank.start));
    put_word(&writer, 0); /* the check value was written in full */
    return length;
}

/* Whether the bank in use holds the image, whole. */
static bool reads_back(opin_lock *lock) {
    const uint32_t sequence = lock->bank.sequence;
    scan(lock);
    return (lock->bank.flags & (WHOLE | CLOSED)) == WHOLE && lock->bank.sequence == sequence &&
           put_change(lock, 0) == OPIN_WORD;
}

/* Write the whole image into the other bank, which is then in use. The old one stays valid until the new one's last word is written. */
static bool snapshot(opin_lock *lock) {
    const opin_port *const port = lock->port;
    const uint32_t pages = port->page_count / 2;
    lock->bank.start = lock->bank_bytes - lock->bank.start;
    lock->bank.sequence++;
    uint32_t page = lock->bank.start == 0 ? 0 : pages;
    for (const uint32_t end = page + pages; page < end; page++) {
        if (!port->erase(port->context, page)) {
            return false;
        }
    }
    opin_writer writer;
    begin(&writer, lock, lock->bank.start, false);
    put_word(&writer, MAGIC);
    put_word(&writer, lock->bank.sequence);
    put_word(&writer, image_bytes(lock));
    put_image(&writer, 0, image_bytes(lock));
    pad(&writer);
    put_word(&writer, ~writer.crc);
    if (!reads_back(lock)) {
        return false;
    }
    clear_word(lock, lock->bank_bytes - lock->bank.start); /* after the very first snapshot, too: it says that there has been one */
    return true;
}

/* Make the image what is kept, and read it back. lock->status says whether it is. */
OPIN_LOCAL void opin_commit(opin_lock *lock) {
    opin_put(opin_token_of(lock) - 4, opin_image_check(lock));
    if ((lock->bank.flags & CLOSED) == 0) {
        const uint32_t length = put_change(lock, 0);
        if (length == OPIN_WORD) {
            return;
        }
        if (lock->bank.end + length + CHANGE <= lock->bank.start + lock->bank_bytes) {
            (void)put_change(lock, length);
            if (reads_back(lock)) {
                return;
            }
        }
    }
    if (lock->status == OPIN_WORKS && !snapshot(lock)) {
        lock->status = OPIN_FLASH_FAILED;
    }
}

/* Find what is kept, and read it into the image unless the flash is blank. */
OPIN_LOCAL opin_condition opin_journal_open(opin_lock *lock) {
    if (snapshot_bytes(lock) + OPIN_WORD + ROOM > lock->bank_bytes) {
        lock->status = OPIN_FLASH_FAILED; /* the part is too small */
        return OPIN_DAMAGED;
    }
    scan(lock);
    const opin_bank first = lock->bank;
    uint32_t older = first.flags;
    lock->bank.start = lock->bank_bytes;
    scan(lock);
    if ((lock->bank.flags & WHOLE) == 0 || ((older & WHOLE) != 0 && first.sequence >= lock->bank.sequence)) {
        older = lock->bank.flags;
        lock->bank = first;
    }
    if ((lock->bank.flags & WHOLE) == 0) {
        if ((lock->bank.flags & older & UNFINISHED) != 0) {
            lock->bank.start = lock->bank_bytes; /* so that the first snapshot, of sequence 0, goes to the beginning */
            lock->bank.sequence = UINT32_MAX;
            return OPIN_EMPTY;
        }
        lock->status = OPIN_STATE_LOST;
        return OPIN_DAMAGED;
    }
    read_image(lock, 0, OPIN_IMAGE(lock), image_bytes(lock));
    if ((older & RETIRED) == 0) {
        clear_word(lock, lock->bank_bytes - lock->bank.start); /* the power went before this was done */
    }
    if ((lock->bank.flags & UNDONE) != 0) {
        clear_word(lock, lock->bank.end - OPIN_WORD); /* nor was this */
    }
    return (lock->bank.flags & DAMAGED) != 0 ? OPIN_DAMAGED : OPIN_SOUND;
}
