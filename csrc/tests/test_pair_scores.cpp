#include <cmath>
#include <vector>

#include "core/ids.h"
#include "core/instruction_sets.h"
#include "core/pair_scores.h"
#include "core/thread_pool.h"
#include "tests/check.h"

namespace kgwalk {
namespace {

const char* const kMeasures[] = {"dot", "l1", "l2", "modulus"};
const char* const kKinds[] = {"distmult", "complex", "transe-l1", "transe-l2", "rotate", "rotate-modulus"};

std::vector<float> waves(std::size_t n, double step) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(std::sin(step * static_cast<double>(i + 1)));
  return values;
}

/// Scores under every name of both kernels, one after the other.
std::vector<float> all_scores(std::int64_t dim, std::size_t n) {
  const auto table = waves(static_cast<std::size_t>(7 * dim), 0.7);
  const auto relations = waves(static_cast<std::size_t>(3 * dim), 1.3);
  std::vector<std::int64_t> rows;
  std::vector<std::int32_t> heads, rels, tails;
  for (std::size_t i = 0; i < n; ++i) {
    rows.push_back(static_cast<std::int64_t>(i % 3));
    heads.push_back(static_cast<std::int32_t>(i % 7));
    rels.push_back(static_cast<std::int32_t>(i % 3));
    tails.push_back(static_cast<std::int32_t>(i * 5 % 7));
  }
  const Pairs pairs{relations.data(), rows.data(), table.data(), tails.data(), dim};
  const Facts facts{table.data(), relations.data(), heads.data(), rels.data(), tails.data(), dim};
  std::vector<float> all, out(n);
  for (const char* name : kMeasures) {
    pair_scores(pair_measure(name), pairs, {out.data(), n});
    all.insert(all.end(), out.begin(), out.end());
  }
  for (const char* name : kKinds) {
    triple_scores(triple_score(name), facts, {out.data(), n});
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

}  // namespace

TEST(pair_scores_by_hand) {
  const std::vector<float> queries{1, 2, 3, 4}, table{9, 9, 9, 9, 4, -2, 7, 1};
  const std::vector<std::int64_t> rows{0};
  const std::vector<std::int32_t> targets{1};
  const Pairs pairs{queries.data(), rows.data(), table.data(), targets.data(), 4};
  const auto score = [&](const char* measure) {
    float out = 0;
    pair_scores(pair_measure(measure), pairs, {&out, 1});
    return out;
  };
  CHECK_EQ(score("dot"), 25.0f);
  CHECK_EQ(score("l1"), 14.0f);
  CHECK_EQ(score("l2"), std::sqrt(50.0f));
  CHECK_EQ(score("modulus"), 10.0f);  // |(-3, -4)| + |(4, 3)|
}

TEST(triple_scores_by_hand) {
  const std::vector<float> entities{1, 2, 5, 5}, relations{0, 1};  // 1 + 2i, 5 + 5i, i
  const std::vector<std::int32_t> heads{0}, rels{0}, tails{1};
  const Facts facts{entities.data(), relations.data(), heads.data(), rels.data(), tails.data(), 2};
  const auto score = [&](const char* kind) {
    float out = 0;
    triple_scores(triple_score(kind), facts, {&out, 1});
    return out;
  };
  CHECK_EQ(score("distmult"), 10.0f);
  CHECK_EQ(score("complex"), -5.0f);  // (-2 + i)(5 - 5i), real part
  CHECK_EQ(score("transe-l1"), 6.0f);
  CHECK_EQ(score("transe-l2"), std::sqrt(20.0f));
  CHECK_EQ(score("rotate"), std::sqrt(65.0f));
  CHECK_EQ(score("rotate-modulus"), std::sqrt(65.0f));
}

TEST(pair_scores_are_the_same_bits_for_every_instruction_set_and_thread_count) {
  const std::size_t n = 5000;
  for (const std::int64_t dim : {2, 6, 8, 40, 64, 70, 134}) {
    use_instruction_set("baseline");
    const auto plain = all_scores(dim, n);
    for (const InstructionSet set : available_instruction_sets()) {
      use_instruction_set(name_of(set));
      for (const int threads : {1, 3}) {
        set_num_threads(threads);
        CHECK(all_scores(dim, n) == plain);
      }
    }
    set_num_threads(1);
  }
}

TEST(pair_scores_names_and_ids_are_checked) {
  CHECK_THROWS(std::invalid_argument, "measure: expected one of dot, l1, l2, modulus; got cosine",
               pair_measure("cosine"));
  CHECK_THROWS(std::invalid_argument, "rotate-modulus; got dot", triple_score("dot"));
  CHECK_THROWS(std::invalid_argument, "mmx", use_instruction_set("mmx"));
  const std::vector<std::int64_t> ids{0, 4, 5};
  CHECK_THROWS(std::out_of_range, "rows: 5 at 2 is not in [0, 5)", check_ids(Span<const std::int64_t>(ids), 5, "rows"));
}

}  // namespace kgwalk
