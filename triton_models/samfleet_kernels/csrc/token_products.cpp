// Products with the rows that prompts add to the image tokens, from the values that the rows are made of, compiled once
// per instruction set. A row of 256 channels is never formed: its product with another is one of 16 numbers.
#include "arena.h"
#include "interface.h"
#include "products.h"

namespace {

constexpr int64_t MOST_LAYERS = 2;

struct Shape {
    int64_t tokens, layers;

    int64_t others() const { return tokens - 1; }
    int64_t heads() const { return layers * HEADS; }                // of all layers
    int64_t width() const { return layers * WIDTH; }
    int64_t rows() const { return heads() * others() + layers; }    // K
    int64_t values() const { return heads() * tokens * CHANNELS; }
    int64_t padded() const { return (tokens + LANES - 1) / LANES * LANES; }
};

struct Scratch {
    float *under, *constants;  // rows [T, width] of a head, and constant rows [L, width], under the rows' matrices
    float *turned, *line;      // values [8 L, 16, padded], and ROWS lines of a result
    int64_t line_ld;

    Scratch(Arena arena, Shape shape, int64_t *used = nullptr) {
        line_ld = shape.rows() + shape.padded();  // registers end behind the last row
        under = arena.take(shape.tokens * shape.width());
        constants = arena.take(shape.layers * shape.width());
        turned = arena.take(shape.heads() * CHANNELS * shape.padded());
        line = arena.take(ROWS * line_ld);
        if (used) *used = arena.used;
    }
};

// Rows under the matrices times the rows of a prompt, from those of head `from` on. A register also has the product with
// the head's last token, its part of the constant; the next head's register overwrites it.
struct Line {
    Shape shape;
    const Scratch &scratch;
    const float *under;  // [rows, width]
    int64_t from;

    template <int R>
    void run(float (&constants)[R][MOST_LAYERS]) const {
        int64_t width = shape.width(), padded = shape.padded();
        for (auto &own : constants)
            for (float &constant : own) constant = 0;
        for (int64_t head = from; head < shape.heads(); head++) {
            float *to = scratch.line + head * shape.others();
            for (int64_t column = 0; column < padded; column += LANES) {
                Sums<R, 1> sums;
                sums.clear();
                sums.add_strided(under + head * CHANNELS, 1, width,
                                 scratch.turned + head * CHANNELS * padded + column, padded, CHANNELS);
                sums.write(to + column, scratch.line_ld);
            }
            for (int row = 0; row < R; row++) constants[row][head / HEADS] += to[row * scratch.line_ld + shape.others()];
        }
    }
};

INLINE void turn_values(const float *values, Shape shape, float *turned) {
    int64_t padded = shape.padded();
    memset(turned, 0, sizeof(float) * shape.heads() * CHANNELS * padded);
    for (int64_t head = 0; head < shape.heads(); head++, turned += CHANNELS * padded)
        for (int64_t token = 0; token < shape.tokens; token++)
            for (int64_t channel = 0; channel < CHANNELS; channel++) turned[channel * padded + token] = *values++;
}

INLINE float dot(const float *a, const float *b, int64_t count) {
    Vector sum = Vector{};
    for (int64_t at = 0; at < count; at += LANES) sum += load(a + at) * load(b + at);
    return sum_of(sum);
}

// The products of a head's left rows [T, 16] with all rows, into out [T, K].
struct HeadProducts {
    Line line;
    const float *left, *shift;  // shift [16] or null
    float *out;

    template <int R>
    void run(int64_t first) const {
        Shape shape = line.shape;
        float constants[R][MOST_LAYERS];
        Line{shape, line.scratch, line.under + first * shape.width(), 0}.template run<R>(constants);
        int64_t regular = shape.heads() * shape.others();
        for (int row = 0; row < R; row++) {
            float *to = out + (first + row) * shape.rows();
            memcpy(to, line.scratch.line + row * line.scratch.line_ld, sizeof(float) * regular);
            if (shift) constants[row][shape.layers - 1] += dot(left + (first + row) * CHANNELS, shift, CHANNELS);
            memcpy(to + regular, constants[row], sizeof(float) * shape.layers);
        }
    }
};

INLINE void multiply_rows(const SamfleetRowProducts &at, const Scratch &scratch, Shape shape, int64_t prompt) {
    turn_values(at.values + prompt * shape.values(), shape, scratch.turned);
    for (int64_t head = 0; head < HEADS; head++) {
        int64_t row = (prompt * HEADS + head) * shape.tokens;
        const float *left = at.left + row * CHANNELS, *matrix = at.matrices + head * CHANNELS * shape.width();
        each_panel(shape.tokens, HeadRows{left, matrix, shape.width(), scratch.under});
        each_panel(shape.tokens, HeadProducts{Line{shape, scratch, scratch.under, 0}, left,
                                              at.shifts ? at.shifts + head * CHANNELS : nullptr, at.out + row * shape.rows()});
    }
}

// The products of a head's rows, without the constant, with the rows from this head on, into out [K, K].
struct HeadSquares {
    Line line;
    float *out;  // of the head's first row

    template <int R>
    void run(int64_t first) const {
        Shape shape = line.shape;
        float constants[R][MOST_LAYERS];
        Line{shape, line.scratch, line.under + first * shape.width(), line.from}.template run<R>(constants);
        int64_t skipped = line.from * shape.others(), count = (shape.heads() - line.from) * shape.others();
        for (int row = 0; row < R; row++)
            memcpy(out + (first + row) * shape.rows() + skipped, line.scratch.line + row * line.scratch.line_ld + skipped,
                   sizeof(float) * count);
    }
};

// The constant rows [L, width] under the matrices times all rows; by symmetry also the columns of all other rows.
template <int L>
INLINE void square_constants(const SamfleetRowSquares &at, const Scratch &scratch, Shape shape, const float *values,
                             float *out) {
    int64_t rows = shape.rows(), regular = rows - L, last = L - 1;
    if (at.shift)
        for (int64_t column = 0; column < shape.width(); column += LANES) {
            float *to = scratch.constants + last * shape.width() + column;
            store(to, load(to) + load(at.shift + column));
        }
    float squares[L][MOST_LAYERS];
    Line{shape, scratch, scratch.constants, 0}.template run<L>(squares);
    for (int layer = 0; layer < L; layer++) {
        const float *line = scratch.line + layer * scratch.line_ld;
        for (int64_t row = 0; row < regular; row++) out[row * rows + regular + layer] = line[row];
        for (int64_t head = layer * HEADS; at.shift && head < (layer + 1) * HEADS; head++)
            squares[layer][last] += dot(values + (head * shape.tokens + shape.others()) * CHANNELS,
                                        at.shift + head * CHANNELS, CHANNELS);
        if (at.shift && layer == last) squares[layer][last] += at.shift_square;
        memcpy(out + (regular + layer) * rows + regular, squares[layer], sizeof(float) * L);
    }
}

INLINE void square_rows(const SamfleetRowSquares &at, const Scratch &scratch, Shape shape, int64_t prompt) {
    const float *values = at.values + prompt * shape.values();
    float *out = at.out + prompt * shape.rows() * shape.rows();
    int64_t tokens = shape.tokens, width = shape.width();
    turn_values(values, shape, scratch.turned);
    memset(scratch.constants, 0, sizeof(float) * shape.layers * width);
    for (int64_t head = 0; head < shape.heads(); head++) {
        const float *matrix = at.matrices + head * CHANNELS * width;
        each_panel(tokens, HeadRows{values + head * tokens * CHANNELS, matrix, width, scratch.under});
        if (shape.others())
            each_panel(shape.others(), HeadSquares{Line{shape, scratch, scratch.under, head},
                                                   out + head * shape.others() * shape.rows()});
        const float *constant = scratch.under + shape.others() * width;
        float *to = scratch.constants + head / HEADS * width;
        for (int64_t column = 0; column < width; column += LANES) store(to + column, load(to + column) + load(constant + column));
    }
    if (shape.layers == 1) square_constants<1>(at, scratch, shape, values, out);
    else square_constants<2>(at, scratch, shape, values, out);
}

// Adds to seen [T, 16] of a head its rows of `gathered` times the rows of a prompt, under the head's matrix.
struct HeadGathered {
    Shape shape;
    const float *gathered, *values;  // [T, K] of the head, [8 L, T, 16]
    const float *matrix, *shift;     // [width, 16]; [16] or null
    float *line;                     // [ROWS, width]
    float *seen;

    template <int R>
    void run(int64_t first) const {
        constexpr int SPAN = CHANNELS / LANES;
        int64_t rows = shape.rows(), regular = rows - shape.layers, width = shape.width();
        const float *own = gathered + first * rows;
        for (int64_t head = 0; head < shape.heads(); head++) {
            const float *from = values + head * shape.tokens * CHANNELS;
            Sums<R, SPAN> sums;
            sums.clear();
            sums.add_strided(own + head * shape.others(), 1, rows, from, CHANNELS, shape.others());
            sums.add_strided(own + regular + head / HEADS, 1, rows, from + shape.others() * CHANNELS, CHANNELS, 1);
            sums.write(line + head * CHANNELS, width);
        }
        Sums<R, SPAN> sums;
        sums.read(seen + first * CHANNELS, CHANNELS);
        if (shift) sums.add_strided(own + rows - 1, 1, rows, shift, CHANNELS, 1);
        sums.add_strided(line, 1, width, matrix, CHANNELS, width);
        sums.write(seen + first * CHANNELS, CHANNELS);
    }
};

}  // namespace

extern "C" {

// Number of floats that a call needs as `memory`.
int64_t EXPORT(samfleet_row_products_memory_)(const SamfleetRowProducts *at) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, Shape{at->tokens, at->layers}, &used);
    return used + LINE;
}

int64_t EXPORT(samfleet_row_squares_memory_)(const SamfleetRowSquares *at) {
    int64_t used;
    Scratch(Arena{nullptr, 0}, Shape{at->tokens, at->layers}, &used);
    return used + LINE;
}

int64_t EXPORT(samfleet_gathered_rows_memory_)(const SamfleetGatheredRows *at) {
    return ROWS * Shape{at->tokens, at->layers}.width();
}

void EXPORT(samfleet_row_products_)(const SamfleetRowProducts *at, float *memory) {
    Shape shape{at->tokens, at->layers};
    Scratch scratch(Arena{aligned(memory), 0}, shape);
    for (int64_t prompt = 0; prompt < at->prompts; prompt++) multiply_rows(*at, scratch, shape, prompt);
}

void EXPORT(samfleet_row_squares_)(const SamfleetRowSquares *at, float *memory) {
    Shape shape{at->tokens, at->layers};
    Scratch scratch(Arena{aligned(memory), 0}, shape);
    for (int64_t prompt = 0; prompt < at->prompts; prompt++) square_rows(*at, scratch, shape, prompt);
}

void EXPORT(samfleet_gathered_rows_)(const SamfleetGatheredRows *at, float *memory) {
    Shape shape{at->tokens, at->layers};
    for (int64_t prompt = 0; prompt < at->prompts; prompt++)
        for (int64_t head = 0; head < HEADS; head++) {
            int64_t row = (prompt * HEADS + head) * shape.tokens;
            each_panel(shape.tokens, HeadGathered{shape, at->gathered + row * shape.rows(),
                                                  at->values + prompt * shape.values(),
                                                  at->matrices + head * shape.width() * CHANNELS,
                                                  at->shifts ? at->shifts + head * CHANNELS : nullptr, memory,
                                                  at->seen + row * CHANNELS});
        }
}
}
