/* The journal that keeps the state and the token in flash (section 13): two banks, of which one holds a snapshot and the changes since.
 * A commit is whole or it is not there, wherever the power goes; what age has changed is noticed. */
#include "opin_lock.h"

enum {
    HEAD = 3 * OPIN_WORD, /* magic, sequence, and the image's size */
    ROOM = 64,            /* bytes that must be left for changes */
    CACHE = 128,          /* bytes of the committed image that are looked at in one go */
};

#define MAGIC 0x6f506a01U

/* What a scan of one bank found. */
typedef struct {
    uint32_t sequence, end; /* where the next change goes */
    bool is_whole;          /* it has a snapshot */
    bool is_closed;         /* nothing more can be written there */
    bool is_retired;        /* a newer snapshot took over */
    bool is_unfinished;     /* its snapshot may never have been completed */
    bool is_undone;         /* the latest change's last word is missing */
    bool is_damaged;
} opin_bank;

/* A part of the image that the bank in use holds. */
typedef struct {
    uint32_t base;
    uint8_t bytes[CACHE];
} opin_cache;

static uint32_t image_bytes(const opin_lock *lock) {
    return opin_state_bytes(lock->profile) + OPIN_TOKEN_BYTES;
}

static uint32_t padded(uint32_t count) {
    return (count + OPIN_WORD - 1) & ~(uint32_t)(OPIN_WORD - 1);
}

static uint32_t bank_bytes(const opin_lock *lock) {
    return lock->port->page_count / 2 * lock->port->page_bytes;
}

/* ---- Reading ---- */

static uint32_t read_number(const opin_lock *lock, uint32_t bank, uint32_t at, uint32_t count) {
    uint8_t bytes[OPIN_WORD];
    lock->port->read(lock->port->context, bank * bank_bytes(lock) + at, bytes, count);
    return (uint32_t)opin_get(bytes, count);
}

static uint32_t crc_number(uint32_t crc, uint32_t number) {
    for (uint32_t shift = 32; shift > 0; shift -= 8) {
        crc = opin_crc(crc, (uint8_t)(number >> (shift - 8)));
    }
    return crc;
}

static uint32_t crc_flash(const opin_lock *lock, uint32_t bank, uint32_t at, uint32_t count) {
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        crc = opin_crc(crc, (uint8_t)read_number(lock, bank, at + i, 1));
    }
    return crc;
}

/* The length of a change whose head is whole, or 0. */
static uint32_t change_length(const opin_lock *lock, uint32_t bank, uint32_t at) {
    const uint32_t head = at + OPIN_WORD <= bank_bytes(lock) ? read_number(lock, bank, at, OPIN_WORD) : 0;
    const uint32_t length = head >> 16;
    return length >= OPIN_WORD && (head & 0xFFFFU) == (length ^ 0xFFFFU) && at + length + 2 * OPIN_WORD <= bank_bytes(lock) ? length : 0;
}

/* Over a change's bytes, the sequence and the place: no old change can stand in for a new one. */
static uint32_t change_check(const opin_lock *lock, uint32_t bank, uint32_t at, uint32_t length, uint32_t sequence) {
    return ~crc_number(crc_number(crc_flash(lock, bank, at, length), sequence), at);
}

/* What is written in a bank ends here. */
static uint32_t written(const opin_lock *lock, uint32_t bank) {
    uint32_t last = bank_bytes(lock);
    while (last > 0 && read_number(lock, bank, last - 1, 1) == 0xFF) {
        last--;
    }
    return last;
}

/* The changes of a bank from found->end on, up to the first that is not whole. */
static void scan_changes(const opin_lock *lock, uint32_t bank, opin_bank *found) {
    const uint32_t last = written(lock, bank);
    while (found->end < last) {
        const uint32_t at = found->end;
        const uint32_t length = change_length(lock, bank, at);
        const uint32_t meant = length != 0 ? change_check(lock, bank, at, length, found->sequence) : 0;
        const uint32_t check = length != 0 ? read_number(lock, bank, at + length, OPIN_WORD) : 0;
        if (length == 0 || check != meant) {
            /* a power cut explains it if nothing is written behind the word that was being written */
            found->is_closed = true;
            found->is_damaged = last > at + OPIN_WORD && (length == 0 || last > at + length + OPIN_WORD);
            return;
        }
        found->end += length + 2 * OPIN_WORD;
        found->is_undone = last <= found->end && read_number(lock, bank, found->end - OPIN_WORD, OPIN_WORD) != 0;
    }
}

static void scan(const opin_lock *lock, uint32_t bank, opin_bank *found) {
    const uint32_t end = HEAD + padded(image_bytes(lock));
    const uint32_t meant = ~crc_flash(lock, bank, 0, end);
    const uint32_t check = read_number(lock, bank, end, OPIN_WORD);
    memset(found, 0, sizeof *found);
    found->is_whole = read_number(lock, bank, 0, OPIN_WORD) == MAGIC && check == meant;
    if (!found->is_whole) {
        found->is_retired = read_number(lock, bank, 0, OPIN_WORD) == 0;
        found->is_unfinished = !found->is_retired && written(lock, bank) <= end + OPIN_WORD;
        found->is_closed = true;
        return;
    }
    found->sequence = read_number(lock, bank, OPIN_WORD, OPIN_WORD);
    found->end = end + OPIN_WORD;
    scan_changes(lock, bank, found);
}

/* Read count bytes of the image that the bank in use holds, as its changes left it. */
static void read_image(const opin_lock *lock, uint32_t from, uint8_t *bytes, uint32_t count) {
    const uint32_t start = lock->bank * bank_bytes(lock);
    uint32_t at = HEAD + padded(image_bytes(lock)) + OPIN_WORD;
    lock->port->read(lock->port->context, start + HEAD + from, bytes, count);
    while (at < lock->end) {
        const uint32_t end = at + read_number(lock, lock->bank, at, 2);
        uint32_t place = at + OPIN_WORD;
        while (place + 4 <= end) {
            const uint32_t offset = read_number(lock, lock->bank, place, 2);
            const uint32_t length = read_number(lock, lock->bank, place + 2, 2);
            const uint32_t first = offset > from ? offset : from;
            const uint32_t last = offset + length < from + count ? offset + length : from + count;
            if (length == 0 || place + 4 + length > end) {
                break;
            }
            if (first < last) {
                lock->port->read(lock->port->context, start + place + 4 + (first - offset), bytes + (first - from), last - first);
            }
            place += 4 + length;
        }
        at = end + 2 * OPIN_WORD;
    }
}

/* Whether a byte of the image differs from what is committed. */
static bool differs(const opin_lock *lock, opin_cache *cache, uint32_t at) {
    const uint32_t base = at - at % CACHE;
    if (cache->base != base) {
        const uint32_t left = image_bytes(lock) - base;
        read_image(lock, base, cache->bytes, left < CACHE ? left : CACHE);
        cache->base = base;
    }
    return cache->bytes[at - base] != lock->image[at];
}

/* The next stretch that differs, from *end on; a gap of up to the four bytes of a stretch's head is carried along. False: no more. */
static bool next_stretch(const opin_lock *lock, opin_cache *cache, uint32_t *start, uint32_t *end) {
    const uint32_t size = image_bytes(lock);
    uint32_t at = *end;
    while (at < size && !differs(lock, cache, at)) {
        at++;
    }
    *start = at;
    for (uint32_t last = at; at < size && at - last <= 4; at++) {
        if (differs(lock, cache, at)) {
            last = at;
            *end = at + 1;
        }
    }
    return *start < size;
}

/* ---- Writing ---- */

/* Bytes on their way into flash, word by word. */
typedef struct {
    opin_lock *lock;
    uint32_t at, crc, fill;
    uint8_t word[OPIN_WORD];
} opin_writer;

static void put(opin_writer *writer, uint32_t byte) {
    const opin_port *const port = writer->lock->port;
    writer->word[writer->fill++] = (uint8_t)byte;
    writer->crc = opin_crc(writer->crc, (uint8_t)byte);
    if (writer->fill == OPIN_WORD) {
        if (writer->lock->status == OPIN_WORKS && !port->program(port->context, writer->at, writer->word)) {
            writer->lock->status = OPIN_FLASH_FAILED;
        }
        writer->at += OPIN_WORD;
        writer->fill = 0;
    }
}

static void put_number(opin_writer *writer, uint32_t number, uint32_t count) {
    while (count-- > 0) {
        put(writer, number >> 8 * count);
    }
}

static void pad(opin_writer *writer) {
    while (writer->fill != 0) {
        put(writer, 0);
    }
}

/* Clear one word. The first of a bank: its snapshot can never be taken for the newest when that one ages. */
static void clear_word(opin_lock *lock, uint32_t bank, uint32_t at) {
    opin_writer writer = {.lock = lock, .at = bank * bank_bytes(lock) + at};
    put_number(&writer, 0, OPIN_WORD);
}

/* Take a bank into use, and say whether it holds the image, whole. */
static bool reads_back(opin_lock *lock, opin_cache *cache, uint32_t bank, uint32_t sequence) {
    opin_bank found;
    uint32_t start, end = 0;
    scan(lock, bank, &found);
    lock->bank = (uint8_t)bank;
    lock->end = found.end;
    lock->is_closed = found.is_closed;
    cache->base = UINT32_MAX;
    return found.is_whole && !found.is_closed && found.sequence == sequence && !next_stretch(lock, cache, &start, &end);
}

/* Write a change behind the others. */
static bool append(opin_lock *lock, opin_cache *cache, uint32_t length) {
    opin_writer writer = {.lock = lock, .at = lock->bank * bank_bytes(lock) + lock->end, .crc = UINT32_MAX};
    const uint32_t at = lock->end;
    uint32_t start, end = 0;
    lock->is_closed = true; /* until it is whole */
    put_number(&writer, length, 2);
    put_number(&writer, length ^ 0xFFFFU, 2);
    while (next_stretch(lock, cache, &start, &end)) {
        put_number(&writer, start, 2);
        put_number(&writer, end - start, 2);
        for (uint32_t i = start; i < end; i++) {
            put(&writer, lock->image[i]);
        }
    }
    pad(&writer);
    put_number(&writer, ~crc_number(crc_number(writer.crc, lock->sequence), at), OPIN_WORD);
    put_number(&writer, 0, OPIN_WORD); /* the check value was written in full */
    return lock->status == OPIN_WORKS && reads_back(lock, cache, lock->bank, lock->sequence);
}

/* Write the whole image into the other bank. The one in use stays valid until the new one's last word is written. */
static bool snapshot(opin_lock *lock, opin_cache *cache) {
    const opin_port *const port = lock->port;
    const uint32_t bank = lock->is_empty ? 0 : 1U - lock->bank;
    const uint32_t pages = port->page_count / 2, size = image_bytes(lock);
    opin_writer writer = {.lock = lock, .at = bank * bank_bytes(lock), .crc = UINT32_MAX};
    for (uint32_t page = 0; page < pages; page++) {
        if (!port->erase(port->context, bank * pages + page)) {
            return false;
        }
    }
    lock->sequence = lock->is_empty ? 0 : lock->sequence + 1;
    put_number(&writer, MAGIC, OPIN_WORD);
    put_number(&writer, lock->sequence, OPIN_WORD);
    put_number(&writer, size, OPIN_WORD);
    for (uint32_t i = 0; i < size; i++) {
        put(&writer, lock->image[i]);
    }
    pad(&writer);
    put_number(&writer, ~writer.crc, OPIN_WORD);
    if (lock->status != OPIN_WORKS || !reads_back(lock, cache, bank, lock->sequence)) {
        return false;
    }
    clear_word(lock, 1 - bank, 0); /* after the very first snapshot, too: it says that there has been one */
    lock->is_empty = false;
    return lock->status == OPIN_WORKS;
}

/* Bytes of the change from what is committed to the image, padded; 0 if nothing differs. */
static uint32_t measure(const opin_lock *lock, opin_cache *cache) {
    uint32_t start, end = 0, length = 0;
    while (next_stretch(lock, cache, &start, &end)) {
        length += 4 + end - start;
    }
    return length == 0 ? 0 : padded(OPIN_WORD + length);
}

/* Make the image what is kept, and read it back. lock->status says whether it is. */
void opin_commit(opin_lock *lock) {
    opin_cache cache;
    cache.base = UINT32_MAX;
    opin_seal_image(lock);
    if (!lock->is_empty) {
        const uint32_t length = measure(lock, &cache);
        if (length == 0 && !lock->is_closed) {
            return;
        }
        const bool fits = !lock->is_closed && lock->end + length + 2 * OPIN_WORD <= bank_bytes(lock);
        if (fits && append(lock, &cache, length)) {
            return;
        }
    }
    if (lock->status == OPIN_WORKS && !snapshot(lock, &cache)) {
        lock->status = OPIN_FLASH_FAILED;
    }
}

/* Find what is kept, and read it into the image unless the flash is blank. */
opin_condition opin_journal_open(opin_lock *lock) {
    opin_bank banks[2];
    if (HEAD + padded(image_bytes(lock)) + OPIN_WORD + ROOM > bank_bytes(lock)) {
        lock->status = OPIN_FLASH_FAILED; /* the part is too small */
        return OPIN_DAMAGED;
    }
    scan(lock, 0, &banks[0]);
    scan(lock, 1, &banks[1]);
    const uint32_t other_is_newer = banks[1].is_whole && (!banks[0].is_whole || banks[1].sequence > banks[0].sequence) ? 1 : 0;
    const opin_bank *const found = &banks[other_is_newer];
    lock->bank = (uint8_t)other_is_newer;
    lock->sequence = found->sequence;
    lock->end = found->end;
    lock->is_closed = found->is_closed;
    lock->is_empty = !found->is_whole;
    if (!found->is_whole) {
        if (banks[0].is_unfinished && banks[1].is_unfinished) {
            return OPIN_EMPTY;
        }
        lock->status = OPIN_STATE_LOST;
        return OPIN_DAMAGED;
    }
    read_image(lock, 0, lock->image, image_bytes(lock));
    if (!banks[1 - other_is_newer].is_retired) {
        clear_word(lock, 1 - other_is_newer, 0); /* the power went before this was done */
    }
    if (found->is_undone) {
        clear_word(lock, other_is_newer, found->end - OPIN_WORD); /* nor was this */
    }
    return found->is_damaged ? OPIN_DAMAGED : OPIN_SOUND;
}
