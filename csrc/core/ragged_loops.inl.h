// The inner loops of ragged_loops.h, included by ragged_loops.cpp once per instruction set: there is no include guard,
// and nothing here may call an inline function of another header, which would be compiled for the wrong CPU.
// KGWALK_TARGET is the namespace to define them in, KGWALK_WIDTH the floats in a register.

namespace kgwalk {
namespace KGWALK_TARGET {

constexpr int kWidth = KGWALK_WIDTH;
constexpr int kLanes = 32;
constexpr int kParts = kLanes / kWidth;

using Vec = float __attribute__((vector_size(4 * kWidth)));
using Bits = std::int32_t __attribute__((vector_size(4 * kWidth)));
using Unaligned = float __attribute__((vector_size(4 * kWidth), aligned(4), may_alias));
using Half = float __attribute__((vector_size(16)));
using UnalignedHalf = float __attribute__((vector_size(16), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }

/// Asks for the first cache lines of a row; the CPU's own prefetcher follows with the rest.
inline void prefetch_row(const float* row, std::int64_t dim) {
  for (std::int64_t i = 0; i < dim; i += 16) __builtin_prefetch(row + i);
}

/// Lane l of 32 adds the products at l, l + 32, ...; the rest of up to 31 is added to the first lanes; then lanes are
/// folded in halves.
inline float dot(const float* a, const float* b, std::int64_t dim) {
  union {
    Vec part[kParts];
    float lane[kLanes];
  } sum;
  Vec part[kParts] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (int p = 0; p < kParts; ++p) part[p] += load(a + i + p * kWidth) * load(b + i + p * kWidth);
  }
  for (int p = 0; p < kParts; ++p) sum.part[p] = part[p];
  for (int lane = 0; i < dim; ++i, ++lane) sum.lane[lane] += a[i] * b[i];
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) sum.lane[lane] += sum.lane[lane + half];
  }
  return sum.lane[0];
}

void dots(const float* query, const float* table, const std::int32_t* ids, std::int64_t n, std::int64_t dim,
          float* out) {
  constexpr std::int64_t kAhead = 4;
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) prefetch_row(table + ids[i + kAhead] * dim, dim);
    out[i] += dot(query, table + ids[i] * dim, dim);
  }
}

void add_row(float weight, const float* row, std::int64_t dim, float* out) {
  std::int64_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) store(out + i, load(out + i) + weight * load(row + i));
  for (; i < dim; ++i) out[i] += weight * row[i];
}

void sum_rows(const float* weights, const float* table, const std::int32_t* ids, std::int64_t n, std::int64_t dim,
              float* out) {
  constexpr std::int64_t kAhead = 4;
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) prefetch_row(table + ids[i + kAhead] * dim, dim);
    add_row(weights[i], table + ids[i] * dim, dim, out);
  }
}

/// exp(x) = 2^k exp(r) with k the integer nearest to x / log 2 and |r| <= log(2) / 2: the polynomial is Cephes' expf.
inline Vec exp(Vec x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Vec shifted = x * 1.44269504088896341f + kRound;
  const Vec k = shifted - kRound;
  const Vec r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
  Vec poly = r * 1.9875691500e-4f + 1.3981999507e-3f;
  poly = poly * r + 8.3334519073e-3f;
  poly = poly * r + 4.1665795894e-2f;
  poly = poly * r + 1.6666665459e-1f;
  poly = poly * r + 5.0000001201e-1f;
  poly = poly * (r * r) + r + 1.0f;
  const Bits scale = (reinterpret_cast<Bits>(shifted) << 23) + 0x3F800000;  // 2^k: k is in shifted's low bits
  const Bits keep = ~(x < -87.3f);                                          // NaN compares false, so it is kept
  return reinterpret_cast<Vec>(reinterpret_cast<Bits>(poly * reinterpret_cast<Vec>(scale)) & keep);
}

void exps(const float* in, std::int64_t n, float* out) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(out + i, exp(load(in + i)));
  if (i == n) return;
  float rest[kWidth] = {};
  for (std::int64_t j = i; j < n; ++j) rest[j - i] = in[j];
  store(rest, exp(load(rest)));
  for (std::int64_t j = i; j < n; ++j) out[j] = rest[j - i];
}

constexpr RaggedLoops kLoops{KGWALK_TARGET_NAME, dots, sum_rows, add_row, exps};

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
