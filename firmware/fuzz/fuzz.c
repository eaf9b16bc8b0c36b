/* Fuzz targets, for libFuzzer, AFL++, or (with FUZZ_MAIN) files named on the command line. The first byte of an input picks one:
 * even, what is typed at a lock; odd, what its flash holds when the power comes. Nothing may be read or written out of place,
 * nothing may be undefined, and nothing may hang. Build: docs/firmware.md, "Fuzzing". */
#include "offlinepin.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES = 4096, PAGES = 2, LONGEST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t flash[PAGE_BYTES * PAGES];
static int64_t shown;
static uint32_t up;

static void read_flash(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
    (void)context;
    memcpy(bytes, flash + at, count);
}

static bool program(void *context, uint32_t at, const uint8_t word[OPIN_WORD]) {
    (void)context;
    for (uint32_t i = 0; i < OPIN_WORD; i++) {
        flash[at + i] = (uint8_t)(flash[at + i] & word[i]);
    }
    return true;
}

static bool erase(void *context, uint32_t page) {
    (void)context;
    memset(flash + page * PAGE_BYTES, 0xFF, PAGE_BYTES);
    return true;
}

static int64_t now(void *context) {
    (void)context;
    return shown;
}

static void set_clock(void *context, int64_t seconds) {
    (void)context;
    shown = seconds;
}

static uint32_t uptime(void *context) {
    (void)context;
    return up;
}

static void drive_bolt(void *context, opin_action action) {
    (void)context;
    (void)action;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const opin_port port = {
        .page_bytes = PAGE_BYTES, .page_count = PAGES,    .read = read_flash, .program = program,       .erase = erase,
        .now = now,               .set_clock = set_clock, .uptime = uptime,   .drive_bolt = drive_bolt,
    };
    const uint8_t token[OPIN_TOKEN_BYTES] = {1};
    opin_lock lock;
    opin_decision decision;
    if (size == 0 || size > LONGEST) {
        return 0;
    }
    shown = 1813050000;
    up = 0;
    memset(flash, 0xFF, sizeof flash);
    if ((data[0] & 1) != 0) {
        memcpy(flash, data + 1, size - 1);
    }
    (void)opin_power_up(&lock, &opin_product, &port, opin_product_memory, token, 0);
    for (size_t i = 1; i < size && i < 256; i++) {
        up += data[i] >= 0x80 ? 60U * data[i] : 0;
        (void)opin_press(&lock, (char)(data[i] & 0x7F), &decision);
    }
    return 0;
}

#if defined(FUZZ_MAIN)
int main(int count, char **paths) {
    static uint8_t data[LONGEST];
    for (int i = 1; i < count; i++) {
        FILE *const file = fopen(paths[i], "rb");
        if (file != NULL) {
            const size_t size = fread(data, 1, sizeof data, file);
            (void)fclose(file);
            (void)LLVMFuzzerTestOneInput(data, size);
        }
    }
    return 0;
}
#endif
