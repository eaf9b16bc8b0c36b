/* The example product: a lock whose keypad, bolt and clock setting are a terminal on a UART. It runs on Arm's MPS2 board with a Cortex-M4
 * (qemu-system-arm -M mps2-an386 -nographic -kernel example.elf), whose registers are named here, and nothing else is of that board.
 *
 * Keys are typed as they are; `@1813050000` and enter sets the clock. It answers each entry with one line. Its "flash" is memory that
 * behaves like flash, because that board has none to write to; a product puts its part's driver there. */
#include "offlinepin.h"

#include <stddef.h>
#include <string.h>

enum { PAGE_BYTES = 4096, PAGES = 2, TICKS_A_SECOND = 25000000 / 1000000 };

typedef struct {
    /* cppcheck-suppress unusedStructMember ; reached through UART */
    volatile uint32_t data, state, control;
} uart_registers;

typedef struct {
    /* cppcheck-suppress unusedStructMember ; reached through TICK */
    volatile uint32_t control, reload, value;
} tick_registers;

#define UART ((uart_registers *)0x40004000U)
#define TICK ((tick_registers *)0xE000E010U)

void reset(void);

static uint8_t flash[PAGE_BYTES * PAGES];
static opin_lock lock;
static int64_t clock_offset = 0;
static bool clock_is_set = false;
static uint32_t seconds = 0, parts = 0;
static const uint8_t token[OPIN_TOKEN_BYTES] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}; /* provision your own */

/* ---- The port ---- */

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

static uint32_t uptime(void *context) {
    (void)context;
    return seconds;
}

static int64_t now(void *context) {
    return clock_is_set ? clock_offset + (int64_t)uptime(context) : OPIN_NO_TIME;
}

static void set_clock(void *context, int64_t to) {
    clock_offset = to - (int64_t)uptime(context);
    clock_is_set = true;
}

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        while ((UART->state & 1U) != 0) { /* until there is room */
        }
        UART->data = (uint32_t)(uint8_t)*text;
    }
}

static void drive_bolt(void *context, opin_action action) {
    (void)context;
    say(action == OPIN_PASSAGE ? "[the bolt moves, passage]\r\n" : "[the bolt moves]\r\n");
}

static const opin_port port = {
    .page_bytes = PAGE_BYTES, .page_count = PAGES,      .read = read_flash, .program = program,       .erase = erase,
    .now = now,               .set_clock = set_clock,   .uptime = uptime,   .drive_bolt = drive_bolt,
};

/* ---- The keypad ---- */

static const char *const words[] = {
    "opened",    "locked out", "not a code", "the clock is not set", "revoked",       "superseded", "used",
    "too early", "lapsed",     "expired",    "outside its hours",    "memory is full", "unknown",
};

/* The next key, while the seconds are counted. */
static char key(void) {
    while ((UART->state & 2U) == 0) {
        if ((TICK->control & 0x10000U) != 0 && ++parts == TICKS_A_SECOND) {
            parts = 0;
            seconds++;
        }
    }
    return (char)UART->data;
}

/* Digits up to the end of the line set the clock. */
static void read_clock(void) {
    int64_t to = 0;
    for (char c = key(); c >= '0' && c <= '9'; c = key()) {
        to = to * 10 + (c - '0');
    }
    set_clock(NULL, to);
    say("the clock is set\r\n");
}

static void run(void) {
    TICK->reload = 1000000 - 1;
    TICK->value = 0;
    TICK->control = 5;
    UART->control = 3;
    memset(flash, 0xFF, sizeof flash);
    say(opin_power_up(&lock, &opin_product, &port, opin_product_memory, token, 0) == OPIN_WORKS ? "ready\r\n" : "provision me\r\n");
    for (;;) {
        opin_decision decision;
        const char c = key();
        if (c == '@') {
            read_clock();
        } else if (c > ' ' && opin_press(&lock, c, &decision)) {
            say(words[decision.reason]);
            say("\r\n");
        }
    }
}

extern uint8_t stack_top[], bss_start[], bss_end[], data_start[], data_end[], data_load[]; /* of example.ld */

void reset(void) {
    /* cppcheck-suppress comparePointers ; the linker's script sets both ends of one stretch */
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    /* cppcheck-suppress comparePointers ; likewise */
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    run();
}

/* The processor's table of vectors: its stack, and where it starts. */
typedef struct {
    const void *stack;   /* cppcheck-suppress unusedStructMember ; the processor reads it */
    void (*start)(void); /* cppcheck-suppress unusedStructMember ; likewise */
} vectors;

__attribute__((section(".vectors"), used)) static const vectors vector_table = {stack_top, reset};
