// The inner loops of ragged_loops.h, once per instruction set: see per_instruction_set.inl.h.

namespace kgwalk {
namespace KGWALK_TARGET {

inline float dot(const float* a, const float* b, std::int64_t dim) {
  return sum_over(dim, [=](auto width, std::int64_t i) { return width.load(a + i) * width.load(b + i); });
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

constexpr RaggedLoops kRaggedLoops{dots, weighted_sums, scatter, exps};

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
