// Runs the kernels of the steps on tokens of every instruction set on arrays of exactly the stated sizes, for the
// sanitizers, and compares the instruction sets with each other. Exit code 1 if results are not finite or differ.
#include "comparison.h"

#define DECLARE(name)                                                                    \
    int64_t samfleet_panel_columns_##name(void);                                         \
    int64_t samfleet_token_attention_memory_##name(const SamfleetTokenAttention *);      \
    void samfleet_token_attention_##name(const SamfleetTokenAttention *, float *);       \
    int64_t samfleet_projections_memory_##name(const SamfleetProjections *);             \
    void samfleet_projections_##name(const SamfleetProjections *, float *);              \
    int64_t samfleet_token_update_memory_##name(const SamfleetTokenUpdate *);            \
    void samfleet_token_update_##name(const SamfleetTokenUpdate *, float *);             \
    int64_t samfleet_row_products_memory_##name(const SamfleetRowProducts *);            \
    void samfleet_row_products_##name(const SamfleetRowProducts *, float *);             \
    int64_t samfleet_row_squares_memory_##name(const SamfleetRowSquares *);              \
    void samfleet_row_squares_##name(const SamfleetRowSquares *, float *);               \
    int64_t samfleet_gathered_rows_memory_##name(const SamfleetGatheredRows *);          \
    void samfleet_gathered_rows_##name(const SamfleetGatheredRows *, float *);
#define SET(name, bit)                                                                                   \
    {#name, bit, samfleet_panel_columns_##name, samfleet_token_attention_memory_##name,                  \
     samfleet_token_attention_##name, samfleet_projections_memory_##name, samfleet_projections_##name,   \
     samfleet_token_update_memory_##name, samfleet_token_update_##name,                                  \
     samfleet_row_products_memory_##name, samfleet_row_products_##name,                                  \
     samfleet_row_squares_memory_##name, samfleet_row_squares_##name,                                    \
     samfleet_gathered_rows_memory_##name, samfleet_gathered_rows_##name}

extern "C" {
DECLARE_SETS(DECLARE)
}

struct Set {
    const char *name;
    uint32_t bit;
    int64_t (*panel_columns)(void);
    int64_t (*attention_memory)(const SamfleetTokenAttention *);
    void (*attention)(const SamfleetTokenAttention *, float *);
    int64_t (*projections_memory)(const SamfleetProjections *);
    void (*projections)(const SamfleetProjections *, float *);
    int64_t (*update_memory)(const SamfleetTokenUpdate *);
    void (*update)(const SamfleetTokenUpdate *, float *);
    int64_t (*products_memory)(const SamfleetRowProducts *);
    void (*products)(const SamfleetRowProducts *, float *);
    int64_t (*squares_memory)(const SamfleetRowSquares *);
    void (*squares)(const SamfleetRowSquares *, float *);
    int64_t (*gathered_memory)(const SamfleetGatheredRows *);
    void (*gathered)(const SamfleetGatheredRows *, float *);
};

static const Set SETS[] = {LIST_SETS(SET)};

static const int64_t DIM = 256, WIDTH = 128;

struct Linear {
    int64_t prompts, tokens, hidden, flag;

    Array run(const Set &set) const {
        state = 1;
        const int64_t wide = prompts * tokens * DIM, narrow = prompts * tokens * WIDTH;
        Packed q(set, DIM, DIM), k(set, DIM, DIM), v(set, DIM, DIM), out(set, DIM, DIM);
        Array gain = random_array(DIM, 1), shift = random_array(DIM, 1);
        Array x = random_array(wide, 1), positions = random_array(wide, 1), attended(wide);
        SamfleetNorm norm{gain.data(), shift.data(), 1e-5f};
        SamfleetTokenAttention attention{prompts, tokens, flag, 1 - flag, flag, q.layer(), k.layer(), v.layer(),
                                         out.layer(), norm, x.data(), positions.data(), attended.data()};
        Array memory(set.attention_memory(&attention));
        set.attention(&attention, memory.data());

        Packed first(set, DIM, WIDTH), second(set, DIM, WIDTH), third(set, DIM, WIDTH);
        Array queries(narrow), last(narrow), mean(narrow);
        SamfleetProjections projections{prompts, tokens, {{first.layer(), 1, 0, queries.data()},
                                                          {second.layer(), 0, 1, last.data()},
                                                          {third.layer(), 0, 2, flag ? mean.data() : nullptr}},
                                        attended.data(), positions.data()};
        Array other(set.projections_memory(&projections));
        set.projections(&projections, other.data());

        Packed outputs(set, WIDTH, DIM), widen(set, DIM, DIM, hidden / DIM), narrowed(set, DIM, DIM, hidden / DIM);
        Array bias = random_array(DIM, 1), updated(wide);
        SamfleetTokenUpdate update{prompts, tokens, hidden, flag, outputs.layer(), norm, norm, widen.weights.data(),
                                   widen.bias.data(), narrowed.weights.data(), bias.data(), attended.data(),
                                   queries.data(), updated.data()};
        Array third_memory(set.update_memory(&update));
        set.update(&update, third_memory.data());
        for (auto *part : {&queries, &last, &mean, &updated}) attended.insert(attended.end(), part->begin(), part->end());
        return attended;
    }
};

struct Products {
    int64_t prompts, tokens, layers;

    Array run(const Set &set) const {
        state = 2;
        const int64_t heads = 8 * layers, rows = heads * (tokens - 1) + layers, pairs = 8 * tokens, width = heads * 16;
        Array left = random_array(prompts * pairs * 16, 1), values = random_array(prompts * heads * tokens * 16, 1);
        Array matrices = random_array(heads * 16 * width, 1), shifts = random_array(8 * 16, 1);
        Array shift = random_array(width, 1);
        Array result(prompts * pairs * rows), square(prompts * rows * rows), seen = random_array(prompts * pairs * 16, 1);
        SamfleetRowProducts products{prompts, tokens, layers, left.data(), matrices.data(),
                                     layers == 2 ? shifts.data() : nullptr, values.data(), result.data()};
        Array memory(set.products_memory(&products));
        set.products(&products, memory.data());
        SamfleetRowSquares squares{prompts, tokens, layers, matrices.data(), layers == 2 ? shift.data() : nullptr, 1.5f,
                                   values.data(), square.data()};
        Array other(set.squares_memory(&squares));
        set.squares(&squares, other.data());
        for (int64_t prompt = 0; prompt < prompts; prompt++)  // what is below the diagonal is not defined
            for (int64_t row = 0; row < rows; row++)
                for (int64_t column = 0; column < row; column++) square[(prompt * rows + row) * rows + column] = 0;
        SamfleetGatheredRows gathered{prompts, tokens, layers, result.data(), values.data(), matrices.data(),
                                      layers == 2 ? shifts.data() : nullptr, seen.data()};
        Array third(set.gathered_memory(&gathered));
        set.gathered(&gathered, third.data());
        for (auto *part : {&square, &seen}) result.insert(result.end(), part->begin(), part->end());
        return result;
    }
};

int main(int count, char **arguments) {
    if (!open_results(count, arguments)) return 2;
    const Linear linear[] = {{1, 1, 0, 0}, {3, 7, 512, 1}, {20, 7, 256, 0}, {2, 140, 256, 1}};
    const Products products[] = {{1, 1, 1}, {2, 1, 2}, {3, 7, 1}, {2, 7, 2}, {1, 18, 2}};
    int failures = 0;
    for (const auto &sizes : linear)
        failures += each_set(SETS, "linear steps", [&](const Set &set) { return sizes.run(set); });
    for (const auto &sizes : products)
        failures += each_set(SETS, "products of rows", [&](const Set &set) { return sizes.run(set); });
    return failures > 0;
}
