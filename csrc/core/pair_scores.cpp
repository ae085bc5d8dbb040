#include "core/pair_scores.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kGrain = 1 << 10;  // rows for one thread: about 100 us

template <class Value, std::size_t n>
Value named(const std::array<std::pair<const char*, Value>, n>& values, const std::string& name, const char* what) {
  std::string expected;
  for (const auto& [known, value] : values) {
    if (name == known) return value;
    expected += (expected.empty() ? "" : ", ") + std::string(known);
  }
  throw std::invalid_argument(std::string(what) + ": expected one of " + expected + "; got " + name);
}

}  // namespace

PairMeasure pair_measure(const std::string& name) {
  static constexpr std::array<std::pair<const char*, PairMeasure>, 4> kMeasures{{{"dot", PairMeasure::kDot},
                                                                                 {"l1", PairMeasure::kL1},
                                                                                 {"l2", PairMeasure::kL2},
                                                                                 {"modulus", PairMeasure::kModulus}}};
  return named(kMeasures, name, "measure");
}

TripleScore triple_score(const std::string& name) {
  static constexpr std::array<std::pair<const char*, TripleScore>, 6> kScores{
      {{"distmult", TripleScore::kDistMult},
       {"complex", TripleScore::kComplEx},
       {"transe-l1", TripleScore::kTransE1},
       {"transe-l2", TripleScore::kTransE2},
       {"rotate", TripleScore::kRotate},
       {"rotate-modulus", TripleScore::kRotateModulus}}};
  return named(kScores, name, "kind");
}

void pair_scores(PairMeasure measure, const Pairs& pairs, Span<float> out) {
  parallel_for(static_cast<std::int64_t>(out.size()), kGrain, [&](std::int64_t first, std::int64_t last) {
    pair_loops().pairs(measure, pairs, first, last, out.data());
  });
}

void triple_scores(TripleScore score, const Facts& facts, Span<float> out) {
  parallel_for(static_cast<std::int64_t>(out.size()), kGrain, [&](std::int64_t first, std::int64_t last) {
    pair_loops().triples(score, facts, first, last, out.data());
  });
}

}  // namespace kgwalk
