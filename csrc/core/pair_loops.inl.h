// The inner loops of pair_loops.h, once per instruction set: see per_instruction_set.inl.h.

namespace kgwalk {
namespace KGWALK_TARGET {

/// A query row and a table row of `dim` reals.
struct Pair {
  const float *q, *t;
  std::int64_t dim;
};

inline float dot_score(const Pair& x) {
  return sum_over(x.dim, [=](auto width, std::int64_t i) { return width.load(x.q + i) * width.load(x.t + i); });
}

inline float l1_score(const Pair& x) {
  return sum_over(x.dim,
                  [=](auto width, std::int64_t i) { return magnitude(width.load(x.q + i) - width.load(x.t + i)); });
}

inline float l2_score(const Pair& x) {
  return root(sum_over(x.dim, [=](auto width, std::int64_t i) {
    const auto difference = width.load(x.q + i) - width.load(x.t + i);
    return difference * difference;
  }));
}

inline float modulus_score(const Pair& x) {
  const std::int64_t half = x.dim / 2;
  return sum_over(half, [=](auto width, std::int64_t i) {
    const auto real = width.load(x.q + i) - width.load(x.t + i);
    const auto imaginary = width.load(x.q + half + i) - width.load(x.t + half + i);
    return root(real * real + imaginary * imaginary);
  });
}

/// The rows of a fact.
struct Fact {
  const float *h, *r, *t;
  std::int64_t dim;
};

inline float distmult_score(const Fact& x) {
  return sum_over(x.dim, [=](auto width, std::int64_t i) {
    return width.load(x.h + i) * width.load(x.r + i) * width.load(x.t + i);
  });
}

inline float transe_1_score(const Fact& x) {
  return sum_over(x.dim, [=](auto width, std::int64_t i) {
    return magnitude(width.load(x.h + i) + width.load(x.r + i) - width.load(x.t + i));
  });
}

inline float transe_2_score(const Fact& x) {
  return root(sum_over(x.dim, [=](auto width, std::int64_t i) {
    const auto difference = width.load(x.h + i) + width.load(x.r + i) - width.load(x.t + i);
    return difference * difference;
  }));
}

/// Sum of term(h r, t) over the complex numbers of a fact, both given as real and imaginary part.
template <class Term>
inline float sum_turned(const Fact& x, const Term& term) {
  const std::int64_t half = x.dim / 2;
  return sum_over(half, [=](auto width, std::int64_t i) {
    const auto h_real = width.load(x.h + i), h_imaginary = width.load(x.h + half + i);
    const auto r_real = width.load(x.r + i), r_imaginary = width.load(x.r + half + i);
    return term(h_real * r_real - h_imaginary * r_imaginary, h_real * r_imaginary + h_imaginary * r_real,
                width.load(x.t + i), width.load(x.t + half + i));
  });
}

inline float complex_score(const Fact& x) {
  return sum_turned(x, [](auto real, auto imaginary, auto t_real, auto t_imaginary) {
    return real * t_real + imaginary * t_imaginary;
  });
}

inline float rotate_score(const Fact& x) {
  return root(sum_turned(x, [](auto real, auto imaginary, auto t_real, auto t_imaginary) {
    return (real - t_real) * (real - t_real) + (imaginary - t_imaginary) * (imaginary - t_imaginary);
  }));
}

inline float rotate_modulus_score(const Fact& x) {
  return sum_turned(x, [](auto real, auto imaginary, auto t_real, auto t_imaginary) {
    return root((real - t_real) * (real - t_real) + (imaginary - t_imaginary) * (imaginary - t_imaginary));
  });
}

template <float (*kScore)(const Pair&)>
void pairs_loop(const Pairs& x, std::int64_t first, std::int64_t last, float* out) {
  for (std::int64_t i = first; i < last; ++i) {
    if (i + kAhead < last) prefetch(x.table + x.targets[i + kAhead] * x.dim, x.dim);
    out[i] = kScore({x.queries + x.rows[i] * x.dim, x.table + x.targets[i] * x.dim, x.dim});
  }
}

template <float (*kScore)(const Fact&)>
void facts_loop(const Facts& x, std::int64_t first, std::int64_t last, float* out) {
  for (std::int64_t i = first; i < last; ++i) {
    if (i + kAhead < last) {
      prefetch(x.entity_table + x.heads[i + kAhead] * x.dim, x.dim);
      prefetch(x.entity_table + x.tails[i + kAhead] * x.dim, x.dim);
    }
    out[i] = kScore({x.entity_table + x.heads[i] * x.dim, x.relation_table + x.relations[i] * x.dim,
                     x.entity_table + x.tails[i] * x.dim, x.dim});
  }
}

void score_pairs(PairMeasure measure, const Pairs& pairs, std::int64_t first, std::int64_t last, float* out) {
  switch (measure) {
    case PairMeasure::kDot:
      return pairs_loop<dot_score>(pairs, first, last, out);
    case PairMeasure::kL1:
      return pairs_loop<l1_score>(pairs, first, last, out);
    case PairMeasure::kL2:
      return pairs_loop<l2_score>(pairs, first, last, out);
    case PairMeasure::kModulus:
      return pairs_loop<modulus_score>(pairs, first, last, out);
  }
}

void score_triples(TripleScore score, const Facts& facts, std::int64_t first, std::int64_t last, float* out) {
  switch (score) {
    case TripleScore::kDistMult:
      return facts_loop<distmult_score>(facts, first, last, out);
    case TripleScore::kComplEx:
      return facts_loop<complex_score>(facts, first, last, out);
    case TripleScore::kTransE1:
      return facts_loop<transe_1_score>(facts, first, last, out);
    case TripleScore::kTransE2:
      return facts_loop<transe_2_score>(facts, first, last, out);
    case TripleScore::kRotate:
      return facts_loop<rotate_score>(facts, first, last, out);
    case TripleScore::kRotateModulus:
      return facts_loop<rotate_modulus_score>(facts, first, last, out);
  }
}

constexpr PairLoops kPairLoops{score_pairs, score_triples};

}  // namespace KGWALK_TARGET
}  // namespace kgwalk
