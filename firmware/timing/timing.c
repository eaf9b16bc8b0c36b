/* Whether the time of opening a code tells anything of it (the method of Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?",
 * 2017): the same code again and again against random ones, mixed, and Welch's t of the two times. Above 4.5 there is a leak.
 * Prints t. PLANTED_LEAK leaves a round out for every other number, to see that such a thing is found. */
#include "opin_lock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CROPS = 8, BATCH = 1000 };

static uint64_t chance(void) {
    static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

typedef struct {
    double count, mean, squares;
} moments;

static void add(moments *to, double value) {
    const double difference = value - to->mean;
    to->count += 1;
    to->mean += difference / to->count;
    to->squares += difference * (value - to->mean);
}

static double welch(const moments *a, const moments *b) {
    const double spread = a->squares / (a->count - 1) / a->count + b->squares / (b->count - 1) / b->count;
    return a->count > 100 && b->count > 100 && spread > 0 ? fabs(a->mean - b->mean) / sqrt(spread) : 0;
}

static int by_size(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    static uint64_t times[BATCH], sorted[BATCH];
    static uint8_t classes[BATCH];
    static opin_claim claims[BATCH];
    moments all[CROPS + 1][2] = {{{0, 0, 0}, {0, 0, 0}}};
    const long measurements = count > 1 ? strtol(arguments[1], NULL, 10) : 100000;
    const opin_family *const family = &opin_product.families[0];
    uint8_t token[OPIN_TOKEN_BYTES] = {1, 2, 3};
    uint64_t crops[CROPS] = {0}, sink = 0;
    double most = 0;
    for (long done = 0; done < measurements; done += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            classes[i] = (uint8_t)(chance() >> 20 & 1);
            const uint64_t random = chance();
            claims[i].family = family;
            claims[i].a = classes[i] != 0 ? (uint32_t)(random >> 32) % family->low : 1234 % family->low;
            claims[i].b = classes[i] != 0 ? (uint32_t)random % family->high : 8642 % family->high;
        }
        for (int i = 0; i < BATCH; i++) {
            const uint64_t start = nanoseconds();
            sink += opin_open(&opin_product, token, &claims[i], 500);
#if defined(PLANTED_LEAK)
            if ((claims[i].b & 1) != 0) { /* the number of the fixed class is even */
                sink += opin_check(token, 1);
            }
#endif
            times[i] = nanoseconds() - start;
        }
        if (done == 0) { /* the first batch says where to crop: interrupts make the slow end useless */
            memcpy(sorted, times, sizeof sorted);
            qsort(sorted, BATCH, sizeof sorted[0], by_size);
            for (int crop = 0; crop < CROPS; crop++) {
                crops[crop] = sorted[BATCH - 1 - (BATCH / 2 >> crop)];
            }
            continue;
        }
        for (int i = 0; i < BATCH; i++) {
            add(&all[CROPS][classes[i]], (double)times[i]);
            for (int crop = 0; crop < CROPS; crop++) {
                if (times[i] < crops[crop]) {
                    add(&all[crop][classes[i]], (double)times[i]);
                }
            }
        }
    }
    for (int crop = 0; crop <= CROPS; crop++) {
        const double t = welch(&all[crop][0], &all[crop][1]);
        most = t > most ? t : most;
    }
    printf("%.2f\n", most);
    return sink == 0; /* so that the work is not left out */
}
