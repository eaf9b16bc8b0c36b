/* Runs a fuzz target over the files named on the command line, where there is no libFuzzer to do it. */
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **paths) {
    static uint8_t data[1U << 16];
    for (int i = 1; i < count; i++) {
        FILE *const file = fopen(paths[i], "rb");
        if (file == NULL) {
            return 2;
        }
        const size_t size = fread(data, 1, sizeof data, file);
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
