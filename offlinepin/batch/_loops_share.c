/* Which rows share a window key, which could be read in another window, and which take their variants from one place. */
#include "_loops.h"

uint32_t opin_pairs(const uint32_t *devices, const uint32_t *windows, size_t n, uint32_t low, size_t width, uint32_t *places,
                    uint32_t *distinct_devices, uint32_t *distinct_windows, uint32_t *index) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t *const place = &places[devices[i] * width + (windows[i] - low)];
        if (*place == 0) {
            distinct_devices[count] = devices[i];
            distinct_windows[count] = windows[i];
            *place = ++count;
        }
        index[i] = *place - 1;
    }
    return count;
}

size_t opin_looks(const uint32_t *own, const uint32_t *oldest, const uint32_t *newest, size_t n, uint32_t step, int64_t *rows,
                  uint32_t *windows) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t window = (uint64_t)oldest[i] + step;
        if (window <= newest[i] && window != own[i]) {
            rows[count] = (int64_t)i;
            windows[count++] = (uint32_t)window;
        }
    }
    return count;
}

void opin_place_hashes(const uint64_t *devices, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
                       uint64_t *hashes) {
    for (size_t i = 0; i < n; i++) {
        uint64_t mixed = devices[i] + (uint64_t)starts[i] * 0x9E3779B97F4A7C15U;
        mixed ^= mixed >> 30;
        mixed *= 0xBF58476D1CE4E5B9U;
        mixed += ((uint64_t)durations[i] << 16) + (uint64_t)numbers[i];
        mixed ^= mixed >> 27;
        mixed *= 0x94D049BB133111EBU;
        mixed ^= mixed >> 31;
        hashes[i] = mixed != 0 ? mixed : 1;
    }
}
