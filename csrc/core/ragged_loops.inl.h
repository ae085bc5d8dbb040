// The inner loops of ragged_loops.h, included by ragged_loops.cpp once per instruction set: there is no include guard,
// and nothing here may call an inline function of another header, which would be compiled for the wrong CPU.
// KGWALK_TARGET is the namespace to define them in, KGWALK_WIDTH the floats in a register.

namespace kgwalk {
namespace KGWALK_TARGET {

constexpr int kWidth = KGWALK_WIDTH;
constexpr int kLanes = 32;
constexpr int kParts = kLanes / kWidth;

using Vec = float __attribute__((vector_size(4 * kWidth)));
using Bits = std::uint32_t __attribute__((vector_size(4 * kWidth)));
using Unaligned = float __attribute__((vector_size(4 * kWidth), aligned(4), may_alias));
using Quad = float __attribute__((vector_size(16)));
using UnalignedQuad = float __attribute__((vector_size(16), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }

inline Quad load_quad(const float* p) { return *reinterpret_cast<const UnalignedQuad*>(p); }

/// Candidates between the one worked on and the one whose row is asked for: enough to hide a cache miss.
constexpr std::int64_t kAhead = 6;

inline void prefetch(const float* row, std::int64_t dim) {
  for (std::int64_t i = 0; i < dim; i += 16) __builtin_prefetch(row + i);
}

/// Lane l of 32 adds the products at l, l + 32, ... and is folded in halves down to four lanes, which add what is left
/// over four by four; then these are folded, and the last up to three products added.
inline float dot(const float* a, const float* b, std::int64_t dim) {
  Vec part[kParts];
  KGWALK_UNROLL for (int p = 0; p < kParts; ++p) part[p] = Vec{};
  std::int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    KGWALK_UNROLL for (int p = 0; p < kParts; ++p) part[p] += load(a + i + p * kWidth) * load(b + i + p * kWidth);
  }
  KGWALK_UNROLL for (int half = kParts / 2; half > 0; half /= 2) {
    KGWALK_UNROLL for (int p = 0; p < half; ++p) part[p] += part[p + half];
  }
  union {
    Vec all;
    Quad quad[kWidth / 4];
  } folded{part[0]};
  Quad sum = folded.quad[0];
  if (kWidth == 8) sum += folded.quad[kWidth / 4 - 1];
  for (; i + 4 <= dim; i += 4) sum += load_quad(a + i) * load_quad(b + i);
  float result = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  for (; i < dim; ++i) result += a[i] * b[i];
  return result;
}

/// out += weight * row.
inline void add(float weight, const float* row, std::int64_t dim, float* out) {
  std::int64_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) store(out + i, load(out + i) + weight * load(row + i));
  for (; i < dim; ++i) out[i] += weight * row[i];
}

void dots(const RaggedRows& rows, const float* query, const float* table, float* out) {
  const std::int64_t dim = rows.dim, end = rows.offsets[rows.last];
  for (std::int64_t s = rows.first; s < rows.last; ++s) {
    for (std::int64_t c = rows.offsets[s]; c < rows.offsets[s + 1]; ++c) {
      if (c + kAhead < end) prefetch(table + rows.ids[c + kAhead] * dim, dim);
      out[c] += dot(query + s * dim, table + rows.ids[c] * dim, dim);
    }
  }
}

void weighted_sums(const RaggedRows& rows, const float* weights, const float* table, float* out) {
  const std::int64_t dim = rows.dim, end = rows.offsets[rows.last];
  for (std::int64_t s = rows.first; s < rows.last; ++s) {
    for (std::int64_t c = rows.offsets[s]; c < rows.offsets[s + 1]; ++c) {
      if (c + kAhead < end) prefetch(table + rows.ids[c + kAhead] * dim, dim);
      add(weights[c], table + rows.ids[c] * dim, dim, out + s * dim);
    }
  }
}

void scatter(const RaggedRows& rows, const float* weights, const float* query, std::int32_t low, std::int32_t high,
             float* out) {
  const std::int64_t dim = rows.dim, end = rows.offsets[rows.last];
  const auto mine = [&](std::int64_t c) { return rows.ids[c] >= low && rows.ids[c] < high; };
  for (std::int64_t s = rows.first; s < rows.last; ++s) {
    for (std::int64_t c = rows.offsets[s]; c < rows.offsets[s + 1]; ++c) {
      if (c + kAhead < end && mine(c + kAhead)) prefetch(out + rows.ids[c + kAhead] * dim, dim);
      if (mine(c)) add(weights[c], query + s * dim, dim, out + rows.ids[c] * dim);
    }
  }
}

/// exp(x) = 2^k exp(r) with k the integer nearest to x / log 2 and |r| <= log(2) / 2: the polynomial is Cephes' expf.
inline Vec exp(Vec x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  constexpr float kLargest = 88.5f;      // from here on 2^k is infinite
  const Bits over = reinterpret_cast<Bits>(x > kLargest);
  x = reinterpret_cast<Vec>((over & reinterpret_cast<Bits>(Vec{} + kLargest)) | (~over & reinterpret_cast<Bits>(x)));
  const Vec shifted = x * 1.44269504088896341f + kRound;
  const Vec k = shifted - kRound;
  const Vec r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
  Vec poly = r * 1.9875691500e-4f + 1.3981999507e-3f;
  poly = poly * r + 8.3334519073e-3f;
  poly = poly * r + 4.1665795894e-2f;
  poly = poly * r + 1.6666665459e-1f;
  poly = poly * r + 5.0000001201e-1f;
  poly = poly * (r * r) + r + 1.0f;
  const Bits scale = (reinterpret_cast<Bits>(shifted) << 23) + 0x3F800000u;  // 2^k: k is in shifted's low bits
  const Bits keep = ~reinterpret_cast<Bits>(x < -87.3f);                     // NaN compares false, so it is kept
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

constexpr RaggedLoops kLoops{KGWALK_TARGET_NAME, dots, weighted_sums, scatter, exps};

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
