// Registers of floats for the loops that per_instruction_set.inl.h includes: there is no include guard. KGWALK_TARGET
// is the namespace to define them in, KGWALK_WIDTH the floats in a register.

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

/// The same for a register, for four floats and for one, so that a term of a sum is written once for all of them.
struct Wide {
  static Vec load(const float* p) { return KGWALK_TARGET::load(p); }
};
struct Four {
  static Quad load(const float* p) { return load_quad(p); }
};
struct One {
  static float load(const float* p) { return *p; }
};

#ifdef __x86_64__
inline Quad root(Quad v) { return _mm_sqrt_ps(v); }
#if KGWALK_WIDTH == 8
inline Vec root(Vec v) { return _mm256_sqrt_ps(v); }
#endif
#else
inline Quad root(Quad v) {
  return Quad{__builtin_sqrtf(v[0]), __builtin_sqrtf(v[1]), __builtin_sqrtf(v[2]), __builtin_sqrtf(v[3])};
}
#endif
inline float root(float x) { return root(Quad{x, x, x, x})[0]; }

inline Quad magnitude(Quad v) { return v < 0 ? -v : v; }
#if KGWALK_WIDTH == 8
inline Vec magnitude(Vec v) { return v < 0 ? -v : v; }
#endif
inline float magnitude(float x) { return __builtin_fabsf(x); }

/// Rows between the one worked on and the one asked for: enough to hide a cache miss.
constexpr std::int64_t kAhead = 6;

inline void prefetch(const float* row, std::int64_t dim) {
  for (std::int64_t i = 0; i < dim; i += 16) __builtin_prefetch(row + i);
}

/// The 32 lanes folded in halves down to four.
inline Quad fold(Vec (&part)[kParts]) {
  KGWALK_UNROLL for (int half = kParts / 2; half > 0; half /= 2) {
    KGWALK_UNROLL for (int p = 0; p < half; ++p) part[p] += part[p + half];
  }
  union {
    Vec all;
    Quad quad[kWidth / 4];
  } folded{part[0]};
  if (kWidth == 8) folded.quad[0] += folded.quad[kWidth / 4 - 1];
  return folded.quad[0];
}

/// Sum of term(width, i) over [0, n), `width` Wide, Four or One: lane l of 32 adds the terms at l, l + 32, ... and is
/// folded down to four lanes, which add what is left over four by four; then these are folded, and the last up to three
/// terms added.
template <class Term>
inline float sum_over(std::int64_t n, const Term& term) {
  Vec part[kParts];
  KGWALK_UNROLL for (int p = 0; p < kParts; ++p) part[p] = Vec{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    KGWALK_UNROLL for (int p = 0; p < kParts; ++p) part[p] += term(Wide{}, i + p * kWidth);
  }
  Quad sum = fold(part);
  for (; i + 4 <= n; i += 4) sum += term(Four{}, i);
  float result = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  for (; i < n; ++i) result += term(One{}, i);
  return result;
}

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
