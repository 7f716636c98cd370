// Runs every kernel of every instruction set on arrays of exactly the stated sizes, for the sanitizers, and compares the
// instruction sets with each other. Exit code 1 if results are not finite or differ.
#include "comparison.h"

#include <string.h>

#define DECLARE(name)                                                                          \
    int64_t samfleet_memory_##name(int64_t);                                                   \
    void samfleet_first_##name(const SamfleetSizes *, const SamfleetFirst *, float *);         \
    void samfleet_second_##name(const SamfleetSizes *, const SamfleetSecond *, float *);       \
    void samfleet_third_##name(const SamfleetSizes *, const SamfleetThird *, float *);         \
    int64_t samfleet_drawing_memory_##name(const SamfleetDrawingSizes *);                      \
    void samfleet_drawing_##name(const SamfleetDrawingSizes *, const SamfleetDrawing *, float *); \
    int64_t samfleet_mask_memory_##name(const SamfleetMaskSizes *);                            \
    int64_t samfleet_mask_##name(const SamfleetMaskSizes *, const SamfleetMask *, float *);
#define SET(name, bit) \
    {#name, bit, samfleet_memory_##name, samfleet_first_##name, samfleet_second_##name, samfleet_third_##name, \
     samfleet_drawing_memory_##name, samfleet_drawing_##name, samfleet_mask_memory_##name, samfleet_mask_##name}

extern "C" {
#if defined(__aarch64__)
DECLARE(neon)
#else
DECLARE(avx512bf16)
DECLARE(avx512)
DECLARE(avx2)
DECLARE(baseline)
#endif
}

struct Set {
    const char *name;
    uint32_t bit;
    int64_t (*memory)(int64_t);
    void (*first)(const SamfleetSizes *, const SamfleetFirst *, float *);
    void (*second)(const SamfleetSizes *, const SamfleetSecond *, float *);
    void (*third)(const SamfleetSizes *, const SamfleetThird *, float *);
    int64_t (*drawing_memory)(const SamfleetDrawingSizes *);
    void (*drawing)(const SamfleetDrawingSizes *, const SamfleetDrawing *, float *);
    int64_t (*mask_memory)(const SamfleetMaskSizes *);
    int64_t (*mask)(const SamfleetMaskSizes *, const SamfleetMask *, float *);
};

static const Set SETS[] = {
#if defined(__aarch64__)
    SET(neon, SAMFLEET_NEON),
#else
    SET(baseline, SAMFLEET_BASELINE), SET(avx2, SAMFLEET_AVX2), SET(avx512, SAMFLEET_AVX512),
    SET(avx512bf16, SAMFLEET_AVX512BF16),
#endif
};

// rows · rowsᵀ / 256 for P prompts, as the decoder forms it.
static Array products_of(int64_t prompts, int64_t rows) {
    Array made(prompts * rows * rows);
    for (int64_t prompt = 0; prompt < prompts; prompt++) {
        Array factors = random_array(rows * 16, 1);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < rows; j++)
                for (int64_t k = 0; k < 16; k++)
                    made[(prompt * rows + i) * rows + j] += factors[i * 16 + k] * factors[j * 16 + k] / 256;
    }
    return made;
}

// Its sweeps write what weights differ from the last one, instead of the weights.
static bool in_bfloat16(const Set &set) { return set.bit == SAMFLEET_AVX512BF16; }

// Tables [tiles, rows, columns] as the kernels take them: those of AVX512-BF16 have two rows beside each other, here with
// the low bits cut off.
static Array operands(const Set &set, const Array &table, int64_t rows, int64_t columns) {
    if (!in_bfloat16(set)) return table;
    Array made;
    for (size_t tile = 0; tile < table.size(); tile += rows * columns)
        for (int64_t row = 0; row < rows; row += 2)
            for (int64_t column = 0; column < columns; column++) {
                uint32_t low, high;
                memcpy(&low, &table[tile + row * columns + column], sizeof low);
                memcpy(&high, &table[tile + (row + 1) * columns + column], sizeof high);
                uint32_t both = low >> 16 | (high & 0xFFFF0000u);
                float bits;
                memcpy(&bits, &both, sizeof bits);
                made.push_back(bits);
            }
    return made;
}

static Array run(const Set &set, SamfleetSizes sizes, float strength) {
    state = 1;
    int64_t pairs = 8 * sizes.tokens, rows = 2 * pairs - 14, one = rows / 2, tiles = (sizes.pixels + 63) / 64;
    int64_t narrow = sizes.prompts * pairs * 16, wide = sizes.prompts * pairs;
    auto random_table = [&] { return random_array(tiles * 128 * 64, strength); };
    auto table = [&] { return operands(set, random_table(), 128, 64); };
    auto heads = [&] { return random_array(narrow, 1); };
    Array memory(set.memory(sizes.tokens));
    Array queries = heads(), first_keys = random_table(), values = operands(set, random_table(), 64, 128), seen(narrow);
    Array keys = operands(set, first_keys, 128, 64);
    SamfleetFirst first{queries.data(), first_keys.data(), values.data(), seen.data()};
    set.first(&sizes, &first, memory.data());
    Array result = seen;

    Array early = heads(), echo = random_array(narrow, 1.f / 256), square = products_of(sizes.prompts, one);
    Array against = random_array(wide * one, strength), early_queries = table(), echoes = table(), places = table();
    Array norms = random_array(sizes.pixels, 1), scale(sizes.prompts * sizes.pixels), gathered(wide * one);
    for (auto &norm : norms) norm = 4 + norm;
    SamfleetSecond second{early.data(), echo.data(), square.data(), queries.data(), against.data(),
                          early_queries.data(), echoes.data(), keys.data(), places.data(), values.data(),
                          norms.data(), 1e-5f, scale.data(), gathered.data(), seen.data()};
    set.second(&sizes, &second, memory.data());
    for (auto *part : {&scale, &gathered, &seen}) result.insert(result.end(), part->begin(), part->end());

    Array late = heads(), late_echo = random_array(narrow, 1.f / 256), full = products_of(sizes.prompts, rows);
    Array wider = random_array(wide * rows, strength), late_queries = table(), late_places = table();
    Array late_echoes = table(), shift = random_array(sizes.pixels, 1.f / 256);
    Array image(sizes.prompts * rows * (sizes.by_tile ? tiles * 64 : sizes.pixels)), all(wide * rows);
    SamfleetThird third{early.data(), late.data(), echo.data(), late_echo.data(), against.data(), full.data(),
                        queries.data(), wider.data(), early_queries.data(), late_queries.data(), late_places.data(),
                        echoes.data(), late_echoes.data(), keys.data(), places.data(), values.data(), shift.data(),
                        norms.data(), 1e-5f, image.data(), scale.data(), all.data(), seen.data()};
    set.third(&sizes, &third, memory.data());
    for (auto *part : {&image, &scale, &all, &seen}) result.insert(result.end(), part->begin(), part->end());
    return result;
}

// Masks of one prompt, with the terms of an image or without; a refining mask as the sizes say.
static Array draw(const Set &set, SamfleetDrawingSizes sizes, bool terms) {
    state = 2;
    int64_t tiles = (sizes.pixels + 63) / 64;
    Array memory(set.drawing_memory(&sizes));
    Array image = random_array((16 * sizes.tokens - 14) * tiles * 64, 1);
    Array scale = random_array(sizes.pixels, 1), values = random_array(16 * sizes.tokens * 16, 0.25f);
    Array matrices = random_array(16 * 16 * 256, 0.25f), shift = random_array(256, 1);
    Array base = random_array(tiles * 256 * 64, 1), bias = random_array(256, 1), weight = random_array(64, 1);
    Array constants = random_array(tiles * 256 * 64, 1), second = random_array(128 * 64, 1);
    Array second_bias = random_array(128, 1), fine = random_array(tiles * 512 * 64, 1);
    Array kernels = random_array(sizes.masks * 32, 1), out(sizes.masks * 16 * sizes.pixels);
    Array first = random_array(6 * 64 * 96, 1), first_bias = random_array(64, 1), taps = random_array(9 * 64, 1);
    Array own = random_array(tiles * 512 * 64, 1), kernel = random_array(32, 1), constant = random_array(1, 1);
    SamfleetRefining refining{first.data(), first_bias.data(), weight.data(), weight.data(), 1e-6f,
                              taps.data(), own.data(), kernel.data(), constant.data()};
    SamfleetDrawing arrays{image.data(), scale.data(), values.data(), matrices.data(), shift.data(), base.data(),
                           terms ? nullptr : bias.data(), terms ? constants.data() : nullptr, weight.data(),
                           weight.data(), 1e-6f, second.data(), second_bias.data(), terms ? fine.data() : nullptr,
                           kernels.data(), sizes.refined ? &refining : nullptr, out.data()};
    set.drawing(&sizes, &arrays, memory.data());
    return out;
}

// One mask of noise, with `means` above all thresholds on one side and below them on the other, and weights that are
// positive and add up to 1; its bits, and the numbers of pixels decided and not.
static Array pack(const Set &set, SamfleetMaskSizes sizes, bool means) {
    state = 3;
    Array memory(set.mask_memory(&sizes)), logits = random_array(sizes.low_height * sizes.low_stride, 1);
    for (size_t i = 0; i < logits.size(); i++)
        logits[i] += !means ? 0 : (int64_t)i % sizes.low_stride > sizes.low_width / 2 ? 4.f : -4.f;
    auto axis = [&](int64_t outputs, int64_t inputs, int64_t taps, std::vector<int32_t> &first) {
        for (int64_t i = 0; i < outputs; i++) first.push_back((int32_t)(i * inputs / outputs));
        Array weights = random_array(outputs * taps, 1);
        for (int64_t i = 0; means && i < outputs; i++) {
            float sum = 0;
            for (int64_t tap = 0; tap < taps; tap++) sum += fabsf(weights[i * taps + tap]);
            for (int64_t tap = 0; tap < taps; tap++) weights[i * taps + tap] = fabsf(weights[i * taps + tap]) / sum;
        }
        return weights;
    };
    std::vector<int32_t> y_first, x_first;
    Array y_weights = axis(sizes.height, sizes.low_height, sizes.y_taps, y_first);
    Array x_weights = axis(sizes.width, sizes.low_width, sizes.x_taps, x_first);
    std::vector<uint8_t> bits((sizes.height * sizes.width + 7) / 8);
    std::vector<int64_t> unsure(3 * sizes.most_unsure);
    int64_t certain[3] = {}, possible[3] = {}, count = 0;
    SamfleetMask arrays{logits.data(), y_first.data(), y_weights.data(), x_first.data(), x_weights.data(),
                        {0.5, -0.5, 0}, 1e-6, bits.data(), certain, possible, unsure.data(), &count};
    Array result{(float)set.mask(&sizes, &arrays, memory.data())};
    for (int number = 0; number < 3; number++) result.push_back((float)certain[number]);
    for (uint8_t byte : bits) result.push_back(byte);
    return result;
}

int main(int count, char **arguments) {
    if (!open_results(count, arguments)) return 2;
    const SamfleetSizes sweeps[] = {{1, 1, 1, 0},   {2, 7, 64, 1},  {9, 7, 65, 0},
                                    {3, 8, 130, 1}, {2, 13, 63, 0}, {1, 45, 100, 1}};
    const SamfleetDrawingSizes drawings[] = {{1, 1, 1, 1, 0, 0},    {7, 64, 8, 3, 0, 0}, {7, 81, 9, 4, 1, 0},
                                             {45, 225, 15, 1, 0, 0}, {2, 1, 1, 1, 0, 1},  {8, 64, 8, 3, 0, 1},
                                             {2, 81, 9, 2, 1, 1},    {2, 4225, 65, 1, 0, 1}};
    int failures = 0;
    char what[100];
    for (const auto &sizes : sweeps) {
        snprintf(what, sizeof what, "%d prompts of %d tokens on %d image tokens", (int)sizes.prompts,
                 (int)sizes.tokens, (int)sizes.pixels);
        failures += each_set(SETS, what, [&](const Set &set) { return run(set, sizes, 1); }, in_bfloat16);
    }
    for (const auto &sizes : drawings)
        for (bool terms : {false, true}) {
            snprintf(what, sizeof what, "%d masks from %d tokens on %d image tokens%s", (int)sizes.masks,
                     (int)sizes.tokens, (int)sizes.pixels, sizes.refined ? ", refined" : "");
            failures += each_set(SETS, what, [&](const Set &set) { return draw(set, sizes, terms); });
        }
    const SamfleetMaskSizes masks[] = {{1, 1, 1, 1, 1, 1, 1, 1}, {61, 33, 17, 15, 16, 4, 3, 64}, {8, 300, 5, 64, 70, 2, 4, 2},
                                       {203, 150, 17, 15, 16, 4, 3, 64}};
    for (const auto &sizes : masks)
        for (bool means : {false, true}) {
            snprintf(what, sizeof what, "a mask of %d x %d pixels", (int)sizes.height, (int)sizes.width);
            failures += each_set(SETS, what, [&](const Set &set) { return pack(set, sizes, means); });
        }
    return failures > 0;
}
